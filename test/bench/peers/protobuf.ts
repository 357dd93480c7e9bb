/** One field of a protobuf message: a number is a varint, anything else is length-delimited. */
export type Field = readonly [number: number, value: number | string | Uint8Array];

/** As much of protobuf as etcd's requests need. @see https://protobuf.dev/programming-guides/encoding/ */
export function message(...fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [varint(number << 3), varint(value)];
    const octets = typeof value === "string" ? Buffer.from(value) : value;
    return [varint((number << 3) | 2), varint(octets.length), octets];
  });
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const octets: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) octets.push((value % 0x80) | 0x80);
  octets.push(value);
  return Buffer.from(octets);
}

/** The fields of a message in order; 64-bit numbers as `bigint`. */
export function* fieldsOf(octets: Buffer): Generator<readonly [number: number, value: bigint | Buffer]> {
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const octet = octets[at++] as number;
      value |= BigInt(octet & 0x7f) << shift;
      if (octet < 0x80) return value;
    }
  };
  while (at < octets.length) {
    const key = Number(next());
    if ((key & 7) === 0) yield [key >> 3, next()];
    else {
      const length = Number(next());
      yield [key >> 3, octets.subarray(at, (at += length))];
    }
  }
}

/** The last value of a field. */
export function field(octets: Buffer, number: number): bigint | Buffer | undefined {
  let found: bigint | Buffer | undefined;
  for (const [each, value] of fieldsOf(octets)) if (each === number) found = value;
  return found;
}
