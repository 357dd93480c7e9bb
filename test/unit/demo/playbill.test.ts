import { expect } from "chai";
import { renderEncore, renderServers, type ServerListing } from "../../../node/demo/playbill.ts";

const plain = { colour: false };
const server = (number: number, isRunning = true): ServerListing => ({
  title: `server ${number}`,
  host: "127.0.0.1",
  sipPort: 5060 + number,
  wsPort: 8080 + number,
  meshPort: 4060 + number,
  dataFolder: `/data/server-${number}`,
  restart: ["up", "--data", `/data/server-${number}`],
  process: { pid: 100 + number, isRunning },
});
const encore = (...servers: ServerListing[]): string =>
  renderEncore("bin/aorta.mjs", "example.com", servers, { joe: "secret", guest: "welcome" }, plain);

describe("The playbill", () => {
  it("says where each server is reached", () => {
    const [, , line] = renderServers([server(1)], plain).split("\n");
    expect(line).to.match(/server 1 +127\.0\.0\.1:5061 +ws:\/\/127\.0\.0\.1:8081 +127\.0\.0\.1:4061 +101/);
  });

  it("offers commands for a server that runs, and how to bring back one that does not", () => {
    const text = encore(server(1, false), server(2));
    expect(text).to.include("export AORTA_DATA=/data/server-2\n").and.to.include("node bin/aorta.mjs lookup alice\n");
    expect(text).to.include("server 1 is dead").and.to.include("node bin/aorta.mjs up --data /data/server-1\n");
    expect(text).not.to.include("server 2 is dead");
  });

  it("gives every user's password, and where to log in", () => {
    expect(encore(server(1)))
      .to.match(/joe +secret\n/)
      .and.to.match(/guest +welcome\n/)
      .and.to.include("proxy 127.0.0.1:5061 (UDP or TCP)")
      .and.to.include("ws://127.0.0.1:8081");
  });

  it("offers nothing when no server runs", () => {
    expect(encore(server(1, false))).to.equal("");
  });
});
