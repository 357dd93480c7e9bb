import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = dirname(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))));

/** A line of code, where it stands, and whether the house rules allow it there. */
const cases: readonly [file: string, code: string, allowed: boolean][] = [
  ["dht-schema/a.ts", 'import "../node/runtime/errors.ts";', false],
  ["node/runtime/a.ts", 'import "../../dht-schema/aor.ts";', true],
  ["node/runtime/b.ts", 'import "../mesh/mesh.ts";', false],
  ["node/mesh/a.ts", 'import "../runtime/errors.ts";', true],
  ["node/mesh/links/b.ts", 'import "../../directory/directory.ts";', false],
  ["node/sip/a.ts", 'import "../federation/edge.ts";', false],
  ["node/sip/message/b.ts", 'import "../../mesh/mesh.ts";', false],
  ["node/directory/a.ts", 'import "../federation/locator.ts";', true],
  ["node/directory/core/b.ts", 'import "../../sip/stack.ts";', false],
  ["node/registrar/a.ts", 'import "../federation/locator.ts";', true],
  ["node/registrar/b.ts", 'import "../directory/directory.ts";', false],
  ["node/presence/server/a.ts", 'import "../../sip/stack.ts";', true],
  ["node/presence/server/b.ts", 'import "../../mesh/mesh.ts";', false],
  ["node/softphone/a.ts", 'import "../sip/message/message.ts";', false],
  ["node/admin/a.ts", 'import "../../test/helpers/meshes.ts";', false],
  ["node/directory/core/c.ts", "export const now = () => Date.now();", false],
  ["node/directory/d.ts", "export const now = () => Date.now();", true],
  ["node/sip/transaction/c.ts", "export const timer = () => setTimeout(() => {}, 1);", false],
  ["dht-schema/d.ts", "export const random = () => Math.random();", false],
  ["dht-schema/e.ts", "export default 1;", false],
  ["node/registrar/camelCase.ts", "export {};", false],
];

describe("The rules of the house in the linter", () => {
  let folder: string;
  let complaints: ReadonlyMap<string, string>;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "aorta-test-"));
    await cp(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
    await symlink(join(root, "node_modules"), join(folder, "node_modules")); // where oxlint finds its helpers
    for (const [file, code] of cases) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), `${code}\n`);
    }
    const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
    const output = await new Promise<string>((resolve) => {
      const args = [oxlint, "--format=unix"];
      execFile(process.execPath, args, { cwd: folder }, (_error, stdout) => resolve(stdout));
    });
    complaints = new Map(output.split("\n").map((line) => [line.split(":", 1)[0]!, line]));
  });

  after(() => rm(folder, { recursive: true }));

  for (const [file, code, allowed] of cases) {
    it(`${allowed ? "allow" : "refuse"} in ${dirname(file)}: ${code}`, () => {
      if (allowed) expect(complaints.get(file)).to.equal(undefined);
      else expect([...complaints.keys()]).to.include(file);
    });
  }
});
