import { expect } from "chai";
import { limits } from "../../../../node/runtime/limits.ts";
import { readProxyHeader } from "../../../../node/sip/transport/proxy-header.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const line = (text: string) => Buffer.from(text, "latin1");
const binary = (hex: string) => Buffer.from(SIGNATURE + hex, "hex");
const IPV4 = "c0000201 c6336401 9c40 13c5".replaceAll(" ", "");
const IPV6 = `20010db8${"0".repeat(23)}1${"20010db8"}${"0".repeat(23)}29c4013c5`;

describe("a header of the PROXY protocol", () => {
  const said: readonly [what: string, header: Buffer, client: { address: string; port: number } | undefined][] = [
    ["of version 1", line("PROXY TCP4 192.0.2.1 198.51.100.1 40000 5061\r\n"), { address: "192.0.2.1", port: 40_000 }],
    ["with IPv6", line("PROXY TCP6 2001:DB8:0::1 2001:db8::2 1 65535\r\n"), { address: "2001:db8::1", port: 1 }],
    [
      "with IPv4 in IPv6",
      line("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 5061\r\n"),
      { address: "192.0.2.1", port: 1 },
    ],
    ["of a proxy that does not know", line("PROXY UNKNOWN\r\n"), undefined],
    ["of one that says what it does not know", line("PROXY UNKNOWN ffff:f... 65535 65535\r\n"), undefined],
    ["of version 2", binary(`2111000c${IPV4}`), { address: "192.0.2.1", port: 40_000 }],
    ["of version 2 with IPv6", binary(`21210024${IPV6}`), { address: "2001:db8::1", port: 40_000 }],
    ["with more than addresses", binary(`21110010${IPV4}04000100`), { address: "192.0.2.1", port: 40_000 }],
    ["of the proxy itself", binary("20000000"), undefined],
    ["of the proxy itself, with addresses that do not count", binary(`2011000c${IPV4}`), undefined],
    ["of no address family", binary("21000000"), undefined],
  ];
  for (const [what, header, client] of said)
    it(`${what} says who the client is, once it is whole, and where SIP begins`, () => {
      for (let at = 0; at < header.length; at++)
        expect(readProxyHeader(header.subarray(0, at)), `${at}`).to.equal("more");
      const followed = Buffer.concat([header, line("OPTIONS sip:example.com SIP/2.0\r\n")]);
      expect(readProxyHeader(followed)).to.deep.equal({ length: header.length, client });
    });

  const wrong: readonly [what: string, octets: Buffer][] = [
    ["SIP", line("OPTIONS ")],
    ["HTTP", line("GET / HTTP/1.1\r\n")],
    ["a handshake of TLS", Buffer.from("1603010200", "hex")],
    ["a keep-alive", line("\r\n\r\nOPTIONS")],
    ["another protocol in version 1", line("PROXY UDP4 192.0.2.1 198.51.100.1 1 1\r\n")],
    ["an address of the other family", line("PROXY TCP4 2001:db8::1 198.51.100.1 1 1\r\n")],
    ["an address with a zone", line("PROXY TCP6 fe80::1%eth0 fe80::2 1 1\r\n")],
    ["a name for an address", line("PROXY TCP4 localhost 198.51.100.1 1 1\r\n")],
    ["a number with zeros before it", line("PROXY TCP4 192.0.2.1 198.51.100.1 01 1\r\n")],
    ["a port that is none", line("PROXY TCP4 192.0.2.1 198.51.100.1 65536 1\r\n")],
    ["two spaces", line("PROXY TCP4  192.0.2.1 198.51.100.1 1 1\r\n")],
    ["no ports", line("PROXY TCP4 192.0.2.1 198.51.100.1\r\n")],
    ["a line of more than 107 octets", line(`PROXY UNKNOWN ${"x".repeat(93)}`)],
    ["version 3", binary(`3111000c${IPV4}`)],
    ["another command", binary(`2211000c${IPV4}`)],
    ["datagrams", binary(`2112000c${IPV4}`)],
    ["Unix sockets", binary(`213100d8${"00".repeat(216)}`)],
    ["less than the addresses", binary(`2111000b${IPV4}`)],
    ["more than there is room for", binary(`2111${limits.sip.proxyHeaderBytes.toString(16)}`)],
  ];
  for (const [what, octets] of wrong)
    it(`is not read from ${what}`, () => {
      expect(readProxyHeader(octets)).to.equal("broken");
    });
});
