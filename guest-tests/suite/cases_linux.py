# SPDX-License-Identifier: MIT


def register(suite):
    pass
