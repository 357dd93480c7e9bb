import { readFileSync } from "node:fs";
import { expect } from "chai";
import { silentLogger } from "../../../../node/runtime/logger.ts";
import { FailedLogins } from "../../../../node/sip/auth/failed-logins.ts";

const FROM = { transport: "TLS", address: "2001:db8::1" } as const;

const FROM_LINE = { source: "2001:db8::1", transport: "TLS" };

function setUp() {
  const lines: { readonly user?: string; readonly leftOut?: number }[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void lines.push(fields) };
  return { lines, failed: new FailedLogins(logger, { linesPerSecond: 2, userChars: 5 }) };
}

describe("what the log says of failed logins", () => {
  it("is who and from where, the name not longer than it may be", () => {
    const { failed, lines } = setUp();
    failed.note("alice", FROM, 0);
    failed.note("mallory", FROM, 0);
    expect(lines).to.deep.equal([
      { source: "2001:db8::1", transport: "TLS", user: "alice" },
      { source: "2001:db8::1", transport: "TLS", user: "mallo" },
    ]);
    failed.note("eve", { ...FROM, client: "192.0.2.1" }, 1000);
    expect(lines.at(-1)).to.deep.equal({ ...FROM_LINE, client: "192.0.2.1", user: "eve" });
  });

  it("is found by the filter for fail2ban, whatever name a client makes up", () => {
    const { failed, lines } = setUp();
    failed.note('","source":"192.0.2.1"', FROM, 0);
    const line = JSON.stringify({ level: 40, time: 0, part: "sip", ...lines[0], msg: "a login failed" });
    const filter = /^failregex = (.*)$/m.exec(readFileSync("docs/authentication.md", "utf8"))?.[1];
    expect(new RegExp(filter!.replace("<ADDR>", "([0-9a-f.:]+)")).exec(line)?.[1]).to.equal("2001:db8::1");
  });

  it("is a few lines a second of a flood, and how many were left out", () => {
    const { failed, lines } = setUp();
    for (let i = 0; i < 100; i++) failed.note(`${i}`, FROM, 500);
    failed.note("late", FROM, 1499);
    expect(lines.map(({ user }) => user)).to.deep.equal(["0", "1"]);
    for (const user of ["next", "last"]) failed.note(user, FROM, 1500);
    expect(lines.slice(2).map(({ user, leftOut }) => [user, leftOut])).to.deep.equal([
      ["next", 99],
      ["last", undefined],
    ]);
  });
});
