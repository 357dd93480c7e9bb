import { expect } from "chai";
import type { SipResponse } from "../../../node/sip/message/message.ts";
import { createRequest } from "../../../node/sip/message/build.ts";
import { randomTag } from "../../../node/sip/message/tags.ts";
import type { Phone } from "../../helpers/phone.ts";
import type { Device } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";
import type { ClientOptions, SipClient } from "../../helpers/sip-network.ts";
import { pidfText } from "../../unit/presence/documents.ts";

/** Carol at server one, whom joe watches from server two. */
class Scene {
  readonly domain = new SimulatedDomain();
  one = this.domain.server("one");
  readonly joe: Phone = this.domain.phone("joe", this.domain.server("two"));
  readonly #transport: "UDP" | "TCP" | "WS";
  #entityTag: string | undefined;

  constructor(transport: "UDP" | "TCP" | "WS" = "UDP") {
    this.#transport = transport;
  }

  device(options: ClientOptions = {}): Device {
    return this.domain.device("carol", this.one, { transport: this.#transport, ...options });
  }

  async watch(): Promise<void> {
    const carol = this.device().aor;
    await this.domain.time.until(this.joe.subscribe(carol));
    await this.settle();
  }

  /** What joe has seen since this was last asked, each state once. */
  async seen(): Promise<string[]> {
    await this.settle();
    return [...new Set(this.joe.news().map(({ basic }) => basic))];
  }

  /** Publishes, or with `refresh` speaks of what was published before. */
  async publish(
    { client, aor }: Device,
    what: "closed" | "refresh",
    via: readonly [string, string][] = [],
  ): Promise<void> {
    const tag = what === "refresh" ? this.#entityTag : undefined;
    const answer = await this.domain.time.until(
      client.send(
        createRequest({
          ...{ method: "PUBLISH", uri: aor, from: `<${aor}>;tag=${randomTag()}`, to: `<${aor}>` },
          headers: [
            ...via,
            ["Event", "presence"],
            ...(tag === undefined
              ? ([["Content-Type", "application/pidf+xml"]] as const)
              : ([["SIP-If-Match", tag]] as const)),
          ],
          ...(tag === undefined ? { body: pidfText("away from keys", "closed", "carol") } : {}),
        }),
      ),
    );
    expect(answer.status).to.equal(200);
    this.#entityTag = answer.headers.get("SIP-ETag");
  }

  settle(): Promise<void> {
    return this.domain.time.advance(6000);
  }
}

const registerAs = (device: Device, contact: string, more: [string, string][] = []): Promise<SipResponse> =>
  device.sendRegister([["Contact", contact], ["Expires", "3600"], ...more]);
const instanceOf = ({ contact }: SipClient) => `<${contact}>;+sip.instance="<urn:uuid:1>"`;

describe("a user who appears offline", () => {
  for (const transport of ["WS", "TCP"] as const) {
    it(`stays so when the ${transport} connection breaks and the device comes back by another`, async () => {
      const scene = new Scene(transport);
      const carol = scene.device();
      await registerAs(carol, instanceOf(carol.client));
      await scene.publish(carol, "closed");
      await scene.watch();
      expect((await scene.seen()).at(-1)).to.equal("closed");

      carol.client.close();
      expect(await scene.seen()).to.not.include("open");
      const again = scene.device();
      await registerAs(again, instanceOf(again.client));
      expect(await scene.seen()).to.not.include("open");
      await scene.publish(again, "refresh");
      expect(await scene.seen()).to.not.include("open");
    });
  }

  it("stays so when the connection is made anew by a device that names no instance, but has its contact still", async () => {
    const scene = new Scene("WS");
    const carol = scene.device();
    const contact = "<sip:carol@df7jal23ls0d.invalid;transport=ws>";
    await registerAs(carol, contact);
    await scene.publish(carol, "closed");
    await scene.watch();
    carol.client.close();
    await registerAs(scene.device(), contact);
    expect(await scene.seen()).to.deep.equal(["closed"]);
  });

  it("stays so when the server is started again, and the device has to register again", async () => {
    const scene = new Scene("WS");
    const carol = scene.device();
    await registerAs(carol, instanceOf(carol.client));
    await scene.publish(carol, "closed");
    await scene.watch();
    await scene.seen();
    await scene.domain.stop(scene.one);
    await scene.domain.time.advance(1000);
    scene.one = scene.domain.restart(scene.one);
    await scene.settle();
    const again = scene.device();
    await registerAs(again, instanceOf(again.client));
    expect(await scene.seen()).to.not.include("open");
    expect(scene.domain.contactsAt(scene.one, carol.aor)).to.deep.equal([again.client.contact]);
  });

  it("is so from a PUBLISH that is too long for UDP and comes over TCP (RFC 3261 §18.1.1)", async () => {
    const scene = new Scene("UDP");
    const sentBy = "127.0.0.1:5070";
    const carol = scene.device({ sentBy });
    await carol.register();
    await scene.publish(scene.device({ transport: "TCP", sentBy }), "closed");
    await scene.watch();
    expect(await scene.seen()).to.deep.equal(["closed"]);
  });

  it("is open again when another device registers, that has published nothing", async () => {
    const scene = new Scene("WS");
    const carol = scene.device();
    await registerAs(carol, instanceOf(carol.client));
    await scene.publish(carol, "closed");
    await scene.watch();
    carol.client.close();
    await scene.seen();
    await scene.device().register();
    expect((await scene.seen()).at(-1)).to.equal("open");
  });
});

describe("two devices of a user behind one proxy", () => {
  const behind = (host: string): [string, string][] => [
    ["Via", `SIP/2.0/UDP ${host}:5060;branch=z9hG4bK${randomTag()};received=${host};rport=5060`],
  ];

  async function mobileAndDeskPhone(): Promise<{ scene: Scene; proxy: Device }> {
    const scene = new Scene();
    const proxy = scene.device();
    const path: [string, string] = ["Path", `<sip:${proxy.client.name};lr>`];
    for (const host of ["10.0.0.1", "10.0.0.2"])
      await registerAs(proxy, `<sip:carol@${host}:5060>`, [path, ["Supported", "path"], ...behind(host)]);
    return { scene, proxy };
  }

  it("are two: what one publishes does not hide the other", async () => {
    const { scene, proxy } = await mobileAndDeskPhone();
    await scene.publish(proxy, "closed", behind("10.0.0.1"));
    await scene.watch();
    expect((await scene.seen()).at(-1)).to.equal("open");
  });

  it("are both closed when both have published it", async () => {
    const { scene, proxy } = await mobileAndDeskPhone();
    await scene.publish(proxy, "closed", behind("10.0.0.1"));
    await scene.publish(proxy, "closed", behind("10.0.0.2"));
    await scene.watch();
    expect(await scene.seen()).to.deep.equal(["closed"]);
  });
});
