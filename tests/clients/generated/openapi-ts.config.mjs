// Modules of Node want the ending of a file in its import. In a project of one's own the generator
// finds that in tsconfig.json; here it stands apart from the programs.
export default {
  input: "openapi.json",
  output: { path: "intercom-client", module: { extension: ".js" } },
};
