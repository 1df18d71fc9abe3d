import resolve from "@rollup/plugin-node-resolve";

export default {
  input: ["main.js", "work.js", "worker.js"],
  output: { dir: "dist", format: "es" },
  preserveEntrySignatures: "exports-only",
  plugins: [resolve({ browser: true, exportConditions: ["browser"] })],
};
