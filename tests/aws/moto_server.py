# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""moto's server, patched to remember the elastic IPs of a network load balancer."""

from __future__ import annotations

from moto.elbv2.models import AvailabilityZone, ELBv2Backend, FakeLoadBalancer
from moto.server import main

create = ELBv2Backend.create_load_balancer


def create_load_balancer(self, *arguments, subnet_mappings, **options):
    balancer = create(self, *arguments, subnet_mappings=subnet_mappings, **options)
    balancer.allocations = {mapping["SubnetId"]: mapping["AllocationId"] for mapping in subnet_mappings}
    return balancer


def availability_zones(self):
    zones = [AvailabilityZone(subnet) for subnet in self.subnets]
    for zone in zones:
        zone.load_balancer_addresses = [{"AllocationId": self.allocations[zone.subnet_id]}]
    return zones


ELBv2Backend.create_load_balancer = create_load_balancer
FakeLoadBalancer.availability_zones = property(availability_zones)

if __name__ == "__main__":
    main()
