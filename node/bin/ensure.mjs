// Makes a fresh clone ready: installs the packages of the lock file when they are missing, then compiles. Plain
// JavaScript without imports from npm, because it runs before either has happened, on whatever Node is there.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const bundledNode = join(root, "node_modules/node/bin", process.platform === "win32" ? "node.exe" : "node");
const compiler = join(root, "node_modules/typescript/bin/tsc");
const lowestNode = [22, 13];

/** Installs and compiles as far as needed; exits with a message when that fails. */
export function ensure() {
  if (!isInstalled()) install();
  removeOrphans(join(root, "dist"));
  run(process.execPath, [compiler, "-p", root], "The source does not compile; the errors are above.");
}

/** The Node to run our code with: the one from the lock file, else this one if it is new enough. */
export function nodeForOurCode() {
  if (existsSync(bundledNode)) return bundledNode;
  if (isNewEnough()) return process.execPath;
  fail(
    `Node ${process.versions.node} is too old (${lowestNode.join(".")} is needed) and the package "node", which brings ` +
      `a newer one, is not installed: its install script may have been turned off. Run: npm rebuild node --ignore-scripts=false`,
  );
}

/** Whether our code runs on the Node that runs this. */
export function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > lowestNode[0] || (major === lowestNode[0] && minor >= lowestNode[1]);
}

function install() {
  const modules = join(root, "node_modules");
  if (existsSync(modules) && lstatSync(modules).isSymbolicLink()) {
    console.error("aorta: node_modules is a link and differs from package-lock.json; going on with it as it is.");
    return;
  }
  console.error("aorta: installing packages (npm ci), once; this takes about half a minute …");
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  // npm runs on the Node that is there and warns about packages for a newer one; our code runs on the newer one.
  run(
    npm,
    ["ci", "--include=dev", "--loglevel=error"],
    'The packages could not be installed; see above, then run "npm ci".',
  );
}

/** Whether every package of the lock file that is not optional is installed in the version locked. */
function isInstalled() {
  const installed = lockedPackages(join(root, "node_modules/.package-lock.json"));
  if (installed === undefined) return false;
  return Object.entries(lockedPackages(join(root, "package-lock.json")) ?? {}).every(
    ([path, wanted]) => path === "" || wanted.optional === true || installed[path]?.version === wanted.version,
  );
}

function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined; // absent or cut short by an interrupted install: both mean "install"
  }
}

/** Deletes compiled files whose source is gone: a renamed test would otherwise run for ever under its old name. */
function removeOrphans(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { recursive: true })) {
    if (!/\.js(\.map)?$/.test(entry)) continue;
    const source = join(root, relative(join(root, "dist"), join(folder, entry)).replace(/\.js(\.map)?$/, ".ts"));
    if (!existsSync(source)) rmSync(join(folder, entry));
  }
}

function run(command, args, onFailure) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    shell: command.endsWith(".cmd"),
  });
  if (status !== 0) fail(error === undefined ? onFailure : `${command}: ${error.message}`);
}

function fail(message) {
  console.error(`aorta: ${message}`);
  process.exit(1);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) ensure();
