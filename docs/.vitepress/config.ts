/** The site, made of the same files that are read in the repository: `npm run docs:build`. */
import { defineConfig } from "vitepress";
import packageJson from "../../package.json" with { type: "json" };
import { readDocument, slugOf, tablesIn } from "../../test/docs/documents.ts";

export default defineConfig({
  title: "Culvert",
  description: packageJson.description,
  lang: "en",
  // Where the site lies below a path.
  base: process.env.DOCS_BASE ?? "/",
  rewrites: { "README.md": "index.md" },
  markdown: {
    // The same links work here and where the repository is read.
    anchor: { slugify: slugOf },
    // Names of languages that the highlighter does not know.
    languageAlias: { caddyfile: "nginx", haproxy: "nginx" },
    config: (markdown) => {
      const { rules } = markdown.renderer;
      rules.link_open = (tokens, index, options, _env, self) => {
        const token = tokens[index];
        const target = token?.attrGet("href") ?? "";
        if (target.startsWith("../")) token?.attrSet("href", outside(target.slice("../".length)));
        return self.renderToken(tokens, index, options);
      };
    },
  },
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    sidebar: sidebar(),
    docFooter: { prev: false, next: false },
  },
});

/** A file of the repository that is no page: at its host, where the package names one. */
function outside(file: string): string {
  const { repository } = packageJson as { readonly repository?: string | { readonly url: string } };
  const url = typeof repository === "string" ? repository : repository?.url;
  if (url === undefined || !url.includes("://")) return `#${file}`;
  return `${url.replace(/^git\+/, "").replace(/\.git$/, "")}/blob/main/${file}`;
}

/** The tables of the first page, in its sections. */
function sidebar() {
  const page = readDocument("docs/README.md");
  const titles = [...page.matchAll(/^## (.+)$/gm)].map(([, title = ""]) => title);
  return tablesIn(page).map((table, index) => ({
    text: titles[index] ?? "",
    items: table.slice(1).flatMap(([cell = ""]) => {
      const [, text, file] = /^\[(.+)\]\((.+)\.md\)$/.exec(cell) ?? [];
      return text === undefined || file === undefined ? [] : [{ text, link: `/${file}` }];
    }),
  }));
}
