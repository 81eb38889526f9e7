// One-time codes, as an authenticator app computes them (RFC 6238: SHA-1, 30 seconds, six digits).
import { createHmac } from "node:crypto";

/** The code of a secret in base 32, some seconds from now. */
export function totp(secret, seconds = 0) {
  const bits = [...secret.replaceAll(" ", "")].map((sign) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(sign).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000 + seconds / 30)));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
