import { expect } from "chai";
import { digestSecrets } from "../../node/cli/commands/user/digest-secrets.ts";
import type { SecretKind } from "../../node/cli/commands/user/user-lines.ts";
import { readUsers } from "../../node/cli/commands/user/user-lines.ts";

const DOMAIN = "example.com";
const read = (lines: readonly string[], kind: SecretKind = "password") => readUsers(lines.join("\n"), DOMAIN, kind);

describe("a file of users", () => {
  it("has a user and a password a line, in which there may be colons and spaces", () => {
    const lines = ["# staff", "alice:wonder:land ", "", "sip:bob@example.com:builder\r", "carol@EXAMPLE.com:x"];
    expect(read(lines)).to.deep.equal(
      [
        ["alice", "wonder:land "],
        ["bob", "builder"],
        ["carol", "x"],
      ].map(([name = "", password = ""]) => ({
        aor: `sip:${name}@example.com`,
        username: name,
        realm: DOMAIN,
        ...digestSecrets(name, DOMAIN, password),
      })),
    );
  });

  it("is refused as a whole, with each line that is wrong and without what may be a password", () => {
    const lines = ["alice:a", "hunter2", "bob@example.org:b", ":c", "dora:", "alice:d", "sip:@example.com:secret"];
    expect(() => read(lines))
      .to.throw()
      .with.property("message")
      .that.satisfies((message: string) => {
        const told = message.split("\n").map((line) => line.trim());
        expect(told[0]).to.equal("no user was stored:");
        expect(told.slice(1, 6)).to.deep.equal([
          "line 2: expected user:password",
          "line 3: sip:bob@example.org is no user of example.com",
          "line 4: expected user:password",
          "line 5: expected user:password",
          "line 6: sip:alice@example.com is on line 1 already",
        ]);
        expect(told[6]).to.match(/^line 7: /);
        expect(told).to.have.length(7);
        expect(message).not.to.match(/hunter2|secret/);
        return true;
      });
  });

  it("is refused where a blank stands beside a user, who could never log in", () => {
    for (const line of ["alice : pw", " alice:pw"])
      expect(() => read([line])).to.throw("line 1: a blank beside the user: expected user:password");
  });

  it("tells of ten faults, and how many more there are", () => {
    expect(() => read(Array.from({ length: 13 }, () => "nonsense"))).to.throw(/line 10: .*\n {2}and 3 more$/);
  });

  it("takes H(A1) of Kamailio, which is good for MD5 and for nothing else", () => {
    const { ha1Md5 } = digestSecrets("alice", DOMAIN, "wonderland");
    const twice = [1, 2].map(() => read([`alice:${ha1Md5.toUpperCase()}`], "ha1")[0]);
    for (const user of twice) expect(user).to.include({ username: "alice", ha1Md5 });
    expect(twice[0]?.ha1Sha256).to.match(/^[0-9a-f]{64}$/);
    expect(twice[0]?.ha1Sha256, "nobody can compute it").to.not.equal(twice[1]?.ha1Sha256);
    expect(() => read(["alice:wonderland"], "ha1")).to.throw("32 hexadecimal digits");
  });
});
