/** Sends a file to the address that is given, breaks off in the middle, and goes on from there. Prints where it is. */
const fs = require("node:fs");
const tus = require("tus-js-client");

const [endpoint, file] = process.argv.slice(2);
const { size } = fs.statSync(file);
const CHUNK = 10 * 1024 * 1024;

function send(uploadUrl) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(fs.createReadStream(file), {
      endpoint,
      uploadUrl,
      uploadSize: size,
      chunkSize: CHUNK,
      retryDelays: null,
      onError: reject,
      onChunkComplete: (_, sent) => {
        if (uploadUrl === undefined && sent < size) upload.abort().then(() => resolve(upload.url), reject);
      },
      onSuccess: () => resolve(upload.url)
    });
    upload.start();
  });
}

send()
  .then(async (url) => {
    if ((await send(url)) !== url) throw new Error("the upload went on elsewhere");
    console.log(JSON.stringify({ url }));
  })
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
