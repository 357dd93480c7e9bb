import { expect } from "chai";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { version } from "../../node/runtime/version.ts";
import { findProgram } from "../interop/programs.ts";
import { Aorta } from "./aorta.ts";

describe("the aorta command", () => {
  let aorta: Aorta;
  before(() => {
    aorta = new Aorta();
  });
  after(() => aorta.clean());

  it("tells its release, and helps", async () => {
    expect(await aorta.run(["--version"])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: "" });
    const help = await aorta.run(["--help"]);
    expect(help.code).to.equal(0);
    expect(help.stdout).to.contain("lookup [options] <user>");
    const upHelp = await aorta.run(["up", "--help"]);
    expect(upHelp.code).to.equal(0);
    expect(upHelp.stdout).to.contain("--on-conflict <takeover|redirect|reject>");
  });

  const misused: Record<string, [string[], RegExp]> = {
    "a command that is misspelt": [["lokup", "alice"], /unknown command 'lokup'\n\(Did you mean lookup\?\)/],
    "a command below another that is misspelt": [
      ["roster", "remov", "s2"],
      /unknown command 'remov' \(did you mean remove\?\)/,
    ],
    "an option that is misspelt": [
      ["up", "--domian", "example.com"],
      /unknown option '--domian'\n\(Did you mean --domain\?\)/,
    ],
    "an argument that is missing": [["lookup"], /missing required argument 'user'/],
    "an argument too many": [["status", "now"], /too many arguments/],
    "an option without its value": [["invite", "--ttl"], /option '--ttl <duration>' argument missing/],
    "a number that is none": [["bindings", "--limit", "many"], /Expected a number from 1 to/],
    "chaos among too few servers": [["chaos", "--servers", "2"], /Expected a number from 3 to 20/],
    "chaos with a wrong clock that nobody has": [
      ["chaos", "--servers", "4", "--wrong-clock", "5"],
      /there are 4 servers/,
    ],
    "a shell that is not known": [["completion", "tcsh"], /Allowed choices are bash, zsh, fish/],
  };
  for (const [what, [args, message]] of Object.entries(misused)) {
    it(`refuses ${what} and exits with 2`, async () => {
      const { code, stdout, stderr } = await aorta.run(args);
      expect(stderr).to.match(message);
      expect(stderr).to.match(/^aorta: /);
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    });
  }

  it("shows help and exits with 2 when it is given nothing to do", async () => {
    const { code, stderr } = await aorta.run([]);
    expect(code).to.equal(2);
    expect(stderr).to.contain("Usage: aorta");
  });

  it("tells all that is wrong with a configuration at once, without a stack, and exits with 2", async () => {
    writeFileSync(aorta.path("aorta.yaml"), "name: berlin\nmash: 127.0.0.1:4060\n");
    const { code, stdout, stderr } = await aorta.run(["up", "--config", "aorta.yaml", "--sip", "nowhere"], {
      env: { AORTA_LEASE: "soon", AORTA_DOMAIN: "example.com" },
    });
    expect({ code, stdout }).to.deep.equal({ code: 2, stdout: "" });
    expect(stderr.trimEnd().split("\n")).to.deep.equal([
      "aorta: 3 settings are wrong:",
      "  aorta.yaml:2: unknown setting mash (did you mean mesh?)",
      '  AORTA_LEASE: expected a duration from 500ms to 10m, such as 10s, not "soon"',
      '  --sip: expected address:port, such as 0.0.0.0:5060, not "nowhere"',
    ]);
  });

  it("refuses to bring up a server of no domain, and says what to do", async () => {
    const { code, stderr } = await aorta.run(["up", "--data", "new", "--mesh", "127.0.0.1:0", "--sip", "127.0.0.1:0"]);
    expect(code).to.equal(2);
    expect(stderr).to.match(/^aorta: this server belongs to no domain yet/);
  });

  it("takes rm and remove for the same, whatever is removed", async () => {
    for (const [what, ...whom] of [
      ["user", "alice"],
      ["contacts", "alice"],
      ["list", "team"],
      ["roster", "s2"],
    ]) {
      for (const word of ["rm", "remove"]) {
        const { code, stderr } = await aorta.run([what!, word, ...whom]);
        expect({ code, stderr }, `${what} ${word}`).to.deep.equal({
          code: 1,
          stderr:
            "aorta: no node is running with data folder ./aorta-data (choose another with --data or AORTA_DATA)\n",
        });
      }
    }
  }).timeout(30_000);

  it("says in a line why the mesh cannot listen", async () => {
    const listeners = ["--sip", "127.0.0.1:0", "--mesh", "192.0.2.77:4060"];
    const { code, stderr } = await aorta.run(["up", "--domain", "example.com", "--data", "unheard", ...listeners]);
    expect(code, "the address may still come").to.equal(1);
    expect(stderr).to.equal(
      "aorta: the mesh cannot listen on /ip4/192.0.2.77/tcp/4060: not an address of this machine\n",
    );
  });

  it("says which node it looked for when none is running, and exits with 1", async () => {
    const byFlag = await aorta.run(["status", "--data", "./here"]);
    expect(byFlag).to.include({ code: 1, stdout: "" });
    expect(byFlag.stderr).to.match(/^aorta: no node is running with data folder \.\/here /);
    expect((await aorta.run(["peers"], { env: { AORTA_DATA: "./there" } })).stderr).to.contain("data folder ./there ");
    expect((await aorta.run(["roster"])).stderr).to.contain("data folder ./aorta-data ");
    for (const impossible of [process.execPath, `./${"far/".repeat(40)}`]) {
      const { code, stderr } = await aorta.run(["status", "--data", impossible]);
      expect([code, stderr]).to.deep.equal([
        1,
        `aorta: no node is running with data folder ${impossible} (choose another with --data or AORTA_DATA)\n`,
      ]);
    }
    expect((await aorta.run(["roster", "--admin", "127.0.0.1:1"])).stderr).to.equal(
      "aorta: no node is running at 127.0.0.1:1\n",
    );
  });

  it("waits for a node that stands still no longer than it was told to", async () => {
    const mute = createServer();
    mkdirSync(aorta.path("mute"));
    mute.listen(aorta.path("mute/admin.sock"));
    await once(mute, "listening");
    const { code, stderr } = await aorta.run(["status", "--data", "mute", "--wait", "300ms"]);
    mute.close();
    expect(code).to.equal(1);
    expect(stderr).to.contain(
      "aorta: the node with data folder mute (choose another with --data or AORTA_DATA) does not answer\n",
    );
  });

  describe("completion", () => {
    const begin = {
      bash: { options: ["--norc"], script: "" },
      // As its own bashcompinit calls what is written for bash.
      zsh: { options: ["-f"], script: "autoload -Uz compinit && compinit -u -D\n" },
    };
    /** What a shell would offer for the last word. */
    const complete = async (shell: "bash" | "zsh", ...words: string[]): Promise<string[]> => {
      const { stdout: script } = await aorta.run(["completion", shell]);
      const typed = ["aorta", ...words].map((word) => `'${word}'`).join(" ");
      const emulate = shell === "zsh" ? "emulate -R sh; setopt kshglob\n" : "";
      const ask = `${emulate}COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _aorta; echo "\${COMPREPLY[@]}"`;
      const { options, script: first } = begin[shell];
      const { stdout } = await promisify(execFile)(shell, [...options, "-c", `${first}${script}\n${ask}`]);
      const offered = stdout.split(/\s+/).filter((word) => word !== "");
      // zsh itself leaves out what does not begin as the word does.
      return shell === "zsh" ? offered.filter((word) => word.startsWith(words.at(-1)!)) : offered;
    };

    for (const shell of ["bash", "zsh"] as const) {
      it(`offers commands, sub-commands, options and known words in ${shell}`, async function () {
        if (shell === "zsh" && findProgram("zsh") === undefined) this.skip();
        expect(await complete(shell, "lo")).to.deep.equal(["lookup"]);
        expect(await complete(shell, "user", "")).to.include.members(["add", "remove", "list"]);
        expect(await complete(shell, "user", "add", "--pass")).to.deep.equal(["--password"]);
        expect(await complete(shell, "up", "--on")).to.deep.equal(["--on-conflict"]);
        expect(await complete(shell, "completion", "f")).to.deep.equal(["fish"]);
        expect(await complete(shell, "up", "--name", "")).to.deep.equal([]);
      });
    }

    it("comes for fish too", async () => {
      const fish = (await aorta.run(["completion", "fish"])).stdout;
      expect(fish).to.contain("-a lookup");
      expect(fish).to.match(/__fish_seen_subcommand_from up' -l on-conflict -x/);
    });
  });
});
