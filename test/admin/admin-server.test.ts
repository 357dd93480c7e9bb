import { expect } from "chai";
import { once } from "node:events";
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdminServer } from "../../node/admin/admin-server.ts";
import type { AdminServer, AdminServerOptions } from "../../node/admin/admin-server.ts";
import { AdminClient } from "../../node/cli/admin-client.ts";
import { limits } from "../../node/runtime/limits.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { MemoryView } from "./memory-view.ts";

describe("the admin server", () => {
  let folder: string;
  let socket: string;
  let view: MemoryView;
  const servers: AdminServer[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aorta-admin-"));
    socket = join(folder, "admin.sock");
    view = new MemoryView();
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  const make = (over: Partial<AdminServerOptions> = {}): AdminServer => {
    const server = createAdminServer({ view, logger: silentLogger, socket, ...over });
    servers.push(server);
    return server;
  };
  const get = async (
    path: string,
    over: object = { socketPath: socket },
  ): Promise<{ response: IncomingMessage; asked: ClientRequest }> => {
    const asked = request({ path, ...over });
    asked.end();
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return { response, asked };
  };
  const failure = async (work: Promise<unknown>): Promise<{ code: string; message: string }> => {
    try {
      await work;
    } catch (error) {
      return error as { code: string; message: string };
    }
    throw new Error("nothing was refused");
  };

  it("listens on a socket that only its owner can connect to, and removes it when it stops", async () => {
    const server = make();
    await server.start();
    expect(statSync(socket).mode & 0o777).to.equal(0o600);
    const { response } = await get("/v1/status");
    expect(response.statusCode).to.equal(200);
    response.resume();
    await server.stop();
    expect(existsSync(socket)).to.equal(false);
  });

  it("can be started and stopped twice", async () => {
    const server = make();
    await server.start();
    await server.start();
    await server.stop();
    await server.stop();
    await server.start();
  });

  it("takes the place of a socket that a killed node left", async () => {
    // A bound socket whose file stays behind when its listener is gone: what kill -9 leaves.
    const left = createServer().listen(socket);
    await once(left, "listening");
    renameSync(socket, `${socket}.kept`);
    left.close();
    await once(left, "close");
    renameSync(`${socket}.kept`, socket);
    await make().start();
    const { response } = await get("/healthz");
    expect(response.statusCode).to.equal(200);
    response.resume();
  });

  it("leaves alone the socket of a living node, and a file that is no socket", async () => {
    await make().start();
    expect(await failure(make().start())).to.include({ code: "ADMIN_SOCKET_IN_USE" });
    const file = join(folder, "precious");
    writeFileSync(file, "data");
    expect(await failure(make({ socket: file }).start())).to.include({ code: "ADMIN_SOCKET_UNUSABLE" });
    expect(statSync(file).size).to.equal(4);
  });

  it("can be read on a TCP address too", async () => {
    const server = make({ tcp: { address: "127.0.0.1", port: 0 } });
    await server.start();
    const { address, port } = server.listening()!;
    const { response } = await get("/v1/status", { host: address, port });
    expect(response.statusCode).to.equal(200);
    response.resume();
  });

  it("says which address is in use, and leaves no socket behind", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const error = await failure(make({ tcp: { address: "127.0.0.1", port } }).start());
    expect(error).to.include({
      code: "PORT_IN_USE",
      message: `--admin 127.0.0.1:${port} is in use by another program`,
    });
    expect(existsSync(socket)).to.equal(false);
    other.close();
  });

  describe("a watch", () => {
    it("streams the state and its changes until the client goes away", async () => {
      await make().start();
      const gone = new AbortController();
      const events = new AdminClient({ socketPath: socket }).events("/v1/watch/alice", gone.signal);
      expect((await events.next()).value).to.deep.equal({ kind: "nobody", atMs: 1 });
      const [watcher] = view.watchers;
      watcher!({ kind: "missed", atMs: 2 });
      expect((await events.next()).value).to.deep.equal({ kind: "missed", atMs: 2 });
      const unwatched = view.nextUnwatch();
      gone.abort();
      await unwatched;
      expect(view.watchers.size).to.equal(0);
    });

    it("is given up where nobody answers", async () => {
      const silent = createServer().listen(socket);
      await once(silent, "listening");
      const events = new AdminClient({ socketPath: socket }).events("/v1/watch/alice", new AbortController().signal, 1);
      expect(await failure(events.next())).to.include({ code: "ABORT_ERR" });
      silent.close();
    });

    it("ends when the server stops", async () => {
      const server = make();
      await server.start();
      const { response } = await get("/v1/watch/alice");
      response.resume();
      const ended = once(response, "end");
      await server.stop();
      await ended;
      expect(view.watchers.size).to.equal(0);
    });

    it("is refused when too many are open", async () => {
      await make().start();
      const open = await Promise.all(Array.from({ length: limits.admin.watches }, () => get("/v1/watch/alice")));
      const { response } = await get("/v1/watch/alice");
      expect(response.statusCode).to.equal(503);
      response.resume();
      for (const { asked } of open) asked.destroy();
    });
  });
});
