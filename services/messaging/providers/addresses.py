"""Where accounts may lead: to public addresses, and into those other networks that the operator names.

Whoever administers accounts may type any address, and a name may resolve to another address at every look. So a name
is resolved once for a connection, all that it resolves to is looked at, and what was looked at is connected to.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from services.messaging.providers.protocol import Refused, Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
NAT64 = ip_network("64:ff9b::/96")
GLOBAL_UNICAST = ip_network("2000::/3")
"""What of IPv6 the internet routes; `is_global` calls all else so that no registry has named, such as `fec0::/10`."""


class Reach:
    """What may be called: every public address, and those in `networks`."""

    def __init__(self, networks: Sequence[Network] = ()) -> None:
        self._networks = tuple(networks)

    def includes(self, address: Address) -> bool:
        """Tell whether an address may be called; one in the clothes of IPv6 is what it carries."""
        meant = carried(address)
        if any(meant in network for network in self._networks):
            return True
        routed = isinstance(meant, IPv4Address) or meant in GLOBAL_UNICAST
        return routed and meant.is_global and not meant.is_multicast

    async def find(self, host: str, port: int) -> str:
        """Return an address of `host` to connect to.

        Raises `Refused` where any of its addresses may not be called, and `OSError` where it has none.
        """
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # an empty or too long part, as in `panel..ir`
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no name") from error
        found = [ip_address(answer[4][0]) for answer in answers]
        if not all(self.includes(address) for address in found):
            raise Refused(Scope.ACCOUNT, "private_address")
        return str(min(found, key=lambda address: address.version))


def carried(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address leads to, if it is of that kind, else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def literal(host: str) -> Address | None:
    """Return the address that a host is written as, also in the forms of old (`2130706433`, `0x7f.1`), or None."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


async def connected(reach: Reach, host: str, port: int) -> socket.socket:
    """Return a socket that is connected to `host`; raises `OSError`, or `Refused` where that is out of reach."""
    address = await reach.find(host, port)
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection
