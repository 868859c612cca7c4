/** What a certificate is made with; years are of four digits, and begin with it. */
export type CertificateOptions = {
  readonly fromYear?: number;
  readonly untilYear?: number;
  /** Whether it is for `127.0.0.1` and `localhost`, or for `elsewhere.example` alone. */
  readonly isElsewhere?: boolean;
  /** In place of these. */
  readonly names?: readonly string[];
};

/** A self-signed certificate, made anew so that no key lies in the repository. */
import { generateKeyPairSync, sign } from "node:crypto";

export function createCertificate({
  fromYear = 2020,
  untilYear = 2100,
  isElsewhere = false,
  names: dnsNames = isElsewhere ? ["elsewhere.example"] : [],
}: CertificateOptions = {}): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"));
  const name = sequence(
    der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from("culvert test")))), // commonName
  );
  const validity = sequence(
    der(0x18, Buffer.from(`${fromYear}0101000000Z`)),
    der(0x18, Buffer.from(`${untilYear}0101000000Z`)),
  );
  const names =
    dnsNames.length > 0
      ? sequence(...dnsNames.map((each) => der(0x82, Buffer.from(each))))
      : sequence(der(0x87, Buffer.from([127, 0, 0, 1])), der(0x82, Buffer.from("localhost")));
  const isAuthority = sequence(der(0x01, Buffer.from([0xff])));
  const extensions = sequence(
    sequence(oid("551d11"), der(0x04, names)), // subjectAltName
    sequence(oid("551d13"), der(0x04, isAuthority)), // basicConstraints
  );
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1])), // serial number
    ecdsaWithSha256,
    name,
    validity,
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign("sha256", body, privateKey)]));
  const encoded = sequence(body, ecdsaWithSha256, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${encoded.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`,
  };
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

/** One value by the distinguished encoding rules: tag, length, content. */
function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 128 ? [length] : long)]), content]);
}
