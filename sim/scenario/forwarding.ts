/** What proxies, and visitors who play one, say of who the visitor is. Each is under its place in a list. */

/** Of the TCP connection: an address as a system prints it, or what it prints where there is none. */
export const PEERS = [
  "192.0.2.1",
  "2001:db8::1",
  "::ffff:192.0.2.7",
  "fe80::1%eth0",
  "198.51.100.200",
  "unknown",
] as const;

/** Proxies that a server of the run may trust. */
export const PROXIES = [
  "192.0.2.0/24",
  "2001:db8::/32",
  "198.51.100.200",
  "::ffff:203.0.113.0/120",
  "::/0",
] as const;

/** Fields that a request comes with. */
export const FORWARDINGS: readonly (readonly string[])[] = [
  [
    "x-forwarded-for",
    "203.0.113.9, 198.51.100.7:443, [2001:db8::5]:80, 2001:db8::9",
    "x-forwarded-proto",
    "HTTPS",
  ],
  ["x-forwarded-host", "home.example:8443", "x-real-ip", "198.51.100.1"],
  ["x-forwarded-for", "nonsense, 1.2.3.4", "x-forwarded-proto", "gopher", "x-forwarded-host", "bad host"],
  ["forwarded", 'for=192.0.2.43;proto=https;host="a.example:80", for="[2001:db8::17]:4711";by=unknown'],
  ["forwarded", 'for=_hidden, For="198.51.100.2"', "forwarded", 'for="198.51.100.3\\"'],
  ["forwarded", "proto=http;host=b.example"],
  ["forwarded", ";;, =x, for, ,"],
  ["x-forwarded-for", "", "X_Forwarded_For", "1.2.3.4", "x-real-ip", "300.1.1.1"],
  ["x-forwarded-for", "::ffff:1.2.3.4", "x-forwarded-for", "::"],
  ["x-forwarded-for", "1:2:3:4:5:6:7:8, 1::8, 1:0:0:2:0:0:0:3"],
  ["x-forwarded-for", "1:2:3:4:5:6:7:8:9"],
  ["x-forwarded-for", "1::2::3"],
  ["x-forwarded-for", "01.2.3.4"],
  ["x-forwarded-for", "1.2.3"],
  ["x-forwarded-for", "::1.2.3.256"],
  ["x-forwarded-for", "12345::"],
  ["x-forwarded-for", "1:2:3:4:5:6:7::"],
  ["x-forwarded-for", "::g"],
  ["x-forwarded-host", "[2001:db8::1]:443", "x-real-ip", "2001:db8::2"],
  ["x-forwarded-host", "[::1", "x-real-ip", "[2001:db8::2]"],
  ["x-forwarded-host", "home:99999"],
  ["x-forwarded-for", "1:2:3:4:5:6:7::8"],
  ["x-forwarded-for", `1.2.3.${"4".repeat(50)}`, "x-real-ip", `::${"f".repeat(50)}`],
];

/** Fields about who the visitor is, which a server makes anew. */
export function isForwardingField(name: string): boolean {
  const hyphened = name.toLowerCase().replaceAll("_", "-");
  return hyphened === "forwarded" || hyphened === "x-real-ip" || hyphened.startsWith("x-forwarded-");
}
