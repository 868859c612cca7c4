/** Ends a report of coverage with what is read first: the branches that were taken of all, and where most were not. */
import { relative } from "node:path";

type Counts = { readonly covered: number; readonly total: number };

type FileNode = {
  readonly getFileCoverage: () => {
    readonly path: string;
    readonly toSummary: () => { readonly branches: Counts };
  };
};

type Context = {
  readonly getTree: (summarizer: "flat") => {
    readonly visit: (visitor: { readonly onDetail: (node: FileNode) => void }) => void;
  };
};

const SHOWN = 25;

export default class WorstFiles {
  readonly #root: string;

  constructor({ projectRoot }: { readonly projectRoot: string }) {
    this.#root = projectRoot;
  }

  execute(context: Context): void {
    const files: (Counts & { readonly name: string })[] = [];
    context.getTree("flat").visit({
      onDetail: (node) => {
        const file = node.getFileCoverage();
        const { covered, total } = file.toSummary().branches;
        files.push({ name: relative(this.#root, file.path), covered, total });
      },
    });
    const worst = files
      .filter(({ covered, total }) => covered < total)
      .sort((a, b) => b.total - b.covered - (a.total - a.covered))
      .slice(0, SHOWN);
    console.log("\nBranches that no seed took, in the files with most of them:");
    for (const file of worst) console.log(`${file.name}: ${share(file)}`);
    for (const room of ["core/http1/", "core/"]) {
      console.log(`${share(sum(files.filter(({ name }) => name.startsWith(room))))} of ${room}`);
    }
  }
}

function sum(files: readonly Counts[]): Counts {
  return files.reduce(
    (all, { covered, total }) => ({ covered: all.covered + covered, total: all.total + total }),
    { covered: 0, total: 0 },
  );
}

function share({ covered, total }: Counts): string {
  return `${((100 * covered) / total).toFixed(2)} % (${covered} of ${total})`;
}
