// Installs the development tools, the runtimes among them, when they are missing or the lock file changed. Plain JavaScript: any Node from 18 on runs it.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = `${root}node_modules/.installed`;

const { devDependencies } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const wanted = createHash("sha256").update(readFileSync(`${root}package-lock.json`)).update(JSON.stringify(devDependencies)).digest("hex");

function installed() {
  try {
    return readFileSync(stamp, "utf8");
  } catch {
    return "";
  }
}

if (installed() !== wanted) {
  console.log("Installing the development tools and runtimes (once, about 700 MB) …");
  // Not `npm ci`: that insists on optional packages for other platforms, which a mirror of the registry may lack.
  const install = ["install", "--no-save"];
  const npm = process.env.npm_execpath;
  const { status, error } = npm !== undefined && /\.c?js$/.test(npm)
    ? spawnSync(process.execPath, [npm, ...install], { cwd: root, stdio: "inherit" })
    : spawnSync("npm", install, { cwd: root, stdio: "inherit", shell: process.platform === "win32" });
  if (status !== 0) {
    console.error(`npm ${install.join(" ")} failed${error === undefined ? "" : `: ${error.message}`}`);
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}
