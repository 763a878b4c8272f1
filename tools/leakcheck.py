# SPDX-License-Identifier: MIT
"""The leak and order oracle's core: what each physical core's L1D may hold, and who runs beside it.

It knows nothing of emulators or files: it is fed with events in the order in which they happened and keeps, for each
core, every cache line that a thread of it touched since the core's last flush. A real L1D forgets lines; this one never
does, so what it does not complain about cannot have been there. The same for the fill, store and load buffers, by thread:
VERW is promised to empty those of the thread that executes it, so nothing else takes away what that thread touched.

A line's owner: PUBLIC (nobody's secret), HIDDEN (the hypervisor's), ("vm", x), ("cpu", n), or ("vms", {x, y}): what these
may only read."""

LINE = 64
# Stand for lines: all of a VM's that the core may hold from before the trace, and translations of guests' addresses, of the window in
# the map that VM exits load, and in another one.
BEFORE, GUEST_TLB, WINDOW_TLB, OTHER_WINDOW_TLB = -1, -2, -3, -4
PUBLIC, HIDDEN = ("public",), ("hidden",)

# Kinds of violations, by the invariant of docs/ASI.md that is broken.
LEFT_BEHIND = "left-behind"  # 3: the guest runs while the core holds a line that is not its own
BESIDE_GUEST = "beside-guest"  # 1, 2: such a line is touched while a sibling runs a guest
OUT_OF_VM = "out-of-vm"  # 4: a guest's own instruction reached it
BESIDE_FULL = "beside-full"  # 1: a guest runs while a sibling has another map than the restricted one
IN_BUFFERS = "in-buffers"  # 3: a thread of the core has touched a line that is not the guest's own, and executed no VERW since
NOT_A_GUEST = "not-a-guest"  # a guest executes what belongs to no VM
STALE = "stale"  # 4: a guest runs where the processor may still hold translations that lead to another VM's memory


class Violation:
    """One line that broke a rule. @where: what the caller said about the touch; @at: about the moment of the offence."""

    def __init__(self, kind, cpu, vm, line, owner, where, at):
        self.kind, self.cpu, self.vm, self.line, self.owner, self.where, self.at = kind, cpu, vm, line, owner, where, at
        self.count = 1


class Core:
    """What the threads of one core share."""

    def __init__(self, cpus):
        self.cpus = cpus
        self.vm = None  # that ran last
        self.held = {}  # owner: {line: (time of the last touch, where)}; public lines are not kept


class Translations:
    """Whose memory the translations lead to that one CPU may hold: of guests' addresses, and of the window in each of its maps.
    A processor may walk what is in force at any time, so a flush leaves what the window shows then."""

    def __init__(self, roots, ran):
        """@roots: that this CPU is known to have. @ran: the VM that it ran before, None if none."""
        self.had, self.ran = {ran} - {None}, ran
        self.shown = {}  # root: the VM in the window
        self.of = {space: set(self.had) for space in {GUEST_TLB, *roots} - {None}}

    def load_root(self, root, flushes):
        if root is None:
            return
        held = self.of.setdefault(root, set(self.had))
        if flushes:
            held.clear()
            held |= {self.shown.get(root, self.ran)} - {None}

    def show(self, root, table):
        self.shown[root] = table
        if root in self.of and table is not None:
            self.of[root].add(table)

    def forget_guests(self):
        self.of[GUEST_TLB] = set()

    def enter(self, vm):
        """The spaces, and whose translations are there that @vm's guest must not find."""
        wrong = [(space, other) for space, vms in self.of.items() for other in vms if other != vm]
        self.had.add(vm)
        self.of[GUEST_TLB].add(vm)
        return wrong


def is_of(owner, vm):
    return owner == ("vm", vm) or (owner[0] == "vms" and vm in owner[1])


class Checker:
    """@core_of: {cpu: core}. @owner_of: function from line number to owner. @flush_lines: the lines of the buffer that a
    software flush reads; empty: there is none. @restricts: VM exits load a map that shows no more than may be seen.
    @buffers: the policy is to empty the buffers, so they are judged."""

    def __init__(self, core_of, owner_of, flush_lines=(), restricts=True, buffers=False):
        self.core_of, self.owner_of, self.judges_buffers = core_of, owner_of, buffers
        self.restricts = {cpu: restricts for cpu in core_of}
        self.cores = {core: Core([c for c in core_of if core_of[c] == core]) for core in set(core_of.values())}
        self.flush_lines = frozenset(flush_lines)
        self.host_root = {cpu: None for cpu in core_of}  # the map that a VM exit loads
        self.safe_roots = set()  # other maps that show no more than restricted may: waits in `always-flush+stun` load them
        self.time = 0
        self.violations = {}
        self.count = {"touches": 0, "entries": 0, "exits": 0, "flushes": 0, "flushes-in-other-map": 0, "hidden-touches": 0,
                      "switches": 0, "together": 0, "verws": 0, "policy-changes": 0, "window-flushes": 0, "invepts": 0}
        self.restart({cpu: None for cpu in core_of})

    def restart(self, roots, ran=None):
        """Another trace begins, with what happened before it unseen. @roots: the map of each CPU, None if unknown. @ran: the
        VM that each CPU ran last, if any: its core holds of it whatever there may be."""
        for core in self.cores.values():
            core.held, core.vm = {}, None
            for vm in {vm for cpu, vm in (ran or {}).items() if cpu in core.cpus and vm is not None}:
                core.held[("vm", vm)] = {BEFORE: (self.time, None)}
                core.vm = vm
        self.buffers = {cpu: {} for cpu in self.core_of}  # like held, of each thread, since its last VERW
        for cpu, vm in (ran or {}).items():
            if vm is not None:
                self.buffers[cpu][("vm", vm)] = {BEFORE: (self.time, None)}
        self.guest = {cpu: None for cpu in self.core_of}  # the VM that runs there, None in root mode
        self.root = dict(roots)  # the map that is live
        self.away = {cpu: None for cpu in self.core_of}  # where another map than that of VM exits was loaded, if one is live
        self.fill = {cpu: {} for cpu in self.core_of}  # lines of the buffer read so far, in order of time
        ran = ran or {}
        self.translations = {cpu: Translations((roots.get(cpu), self.host_root[cpu]), ran.get(cpu)) for cpu in self.core_of}

    def _violate(self, kind, cpu, vm, line, owner, where, at):
        key = (kind, cpu, vm, line)
        if key in self.violations:
            self.violations[key].count += 1
        else:
            self.violations[key] = Violation(kind, cpu, vm, line, owner, where, at)

    def _may_hold(self, owner, vm, core):
        """May a core that runs @vm hold a line of @owner? The private data of a CPU holds nothing of a guest, but only
        the CPUs of that core have business with it."""
        return owner == PUBLIC or is_of(owner, vm) or (owner[0] == "cpu" and self.core_of.get(owner[1]) == core)

    # Events.

    def touch(self, cpu, line, where=None):
        """Load or store by an instruction on @cpu, in either mode."""
        self.time += 1
        self.count["touches"] += 1
        if line in self.flush_lines:
            self._fill(cpu, line)
            return
        owner = self.owner_of(line)
        if owner == PUBLIC:
            return
        if owner == HIDDEN:
            self.count["hidden-touches"] += 1
        self._hold(cpu, line, owner, where)

    def touch_by_processor(self, cpu, line, owner, where=None):
        """What the processor reads or writes to run a VM, its own structures among them, is that VM's: @owner. A flush
        cannot answer accesses that each entry repeats, but before another VM comes they have to be gone like all else."""
        self.time += 1
        if owner[0] in ("vm", "vms"):
            self._hold(cpu, line, owner, where)

    def _hold(self, cpu, line, owner, where):
        number = self.core_of[cpu]
        core = self.cores[number]
        core.held.setdefault(owner, {})[line] = (self.time, where)
        if self.judges_buffers:
            self.buffers[cpu].setdefault(owner, {})[line] = (self.time, where)
        if self.guest[cpu] is not None and not is_of(owner, self.guest[cpu]):
            self._violate(OUT_OF_VM, cpu, self.guest[cpu], line, owner, where, where)
        for sibling in self._siblings(cpu):
            vm = self.guest[sibling]
            if vm is not None and not self._may_hold(owner, vm, number):
                self._violate(BESIDE_GUEST, cpu, vm, line, owner, where, where)

    def load_root(self, cpu, root, where=None, flushes=False):
        """CR3 was written. A fill that had begun in another map does not count. @flushes: translations went with it."""
        self.root[cpu] = root
        self.translations[cpu].load_root(root, flushes)
        self.count["window-flushes"] += flushes
        self.fill[cpu] = {}
        known = self.host_root[cpu]
        away = self.restricts[cpu] and known is not None and root != known and root not in self.safe_roots
        self.away[cpu] = (where,) if away else None
        for sibling in self._siblings(cpu) if self.away[cpu] else ():
            if self.guest[sibling] is not None:
                self._violate(BESIDE_FULL, cpu, self.guest[sibling], BEFORE, HIDDEN, where, where)

    def show_window(self, root, table):
        """The window's entry in a map was written. @table: the VM's, None if no window is shown any more."""
        for translations in self.translations.values():
            translations.show(root, table)

    def invept(self, cpu):
        self.count["invepts"] += 1
        self.translations[cpu].forget_guests()

    def change_policy(self, cpu, root, restricts):
        """From now on VM exits load @root on @cpu."""
        self.count["policy-changes"] += self.host_root[cpu] not in (None, root)
        self.host_root[cpu] = root
        self.restricts[cpu] = restricts
        self.away[cpu] = self.away[cpu] if restricts else None

    def _siblings(self, cpu):
        return [other for other in self.cores[self.core_of[cpu]].cpus if other != cpu]

    def flush(self, cpu):
        """The processor's own flush command: the core's whole L1D."""
        self._flush(cpu, self.time + 1)

    def _fill(self, cpu, line):
        seen = self.fill[cpu]
        seen.setdefault(line, self.time)
        if len(seen) == len(self.flush_lines):
            self._flush(cpu, min(seen.values()))
            self.fill[cpu] = {}

    def verw(self, cpu):
        """The buffers' overwriting, of this thread alone."""
        if self._stays_clean(cpu):
            self.count["verws"] += 1
            self.buffers[cpu] = {}

    def _stays_clean(self, cpu):
        """Not so in the full map: there, anything may come back by speculation."""
        root = self.root[cpu]
        if root is not None and (root == self.host_root[cpu] or root in self.safe_roots):
            return True
        self.count["flushes-in-other-map"] += 1
        return False

    def _flush(self, cpu, since):
        """What was touched before @since is gone."""
        if not self._stays_clean(cpu):
            return
        self.count["flushes"] += 1
        core = self.cores[self.core_of[cpu]]
        for owner, lines in list(core.held.items()):
            core.held[owner] = {line: touch for line, touch in lines.items() if touch[0] >= since}

    def enter(self, cpu, owner, at=None):
        """The first instruction of a guest after a VM entry; @owner: of the frame that it was fetched from."""
        self.time += 1
        self.count["entries"] += 1
        self.fill[cpu] = {}
        vm = owner[1] if owner[0] == "vm" else None
        if vm is None:
            self._violate(NOT_A_GUEST, cpu, vm, 0, owner, at, at)
            return
        self.guest[cpu] = vm
        number = self.core_of[cpu]
        core = self.cores[number]
        self.count["switches"] += core.vm not in (None, vm)
        core.vm = vm
        self.count["together"] += any(self.guest[sibling] is not None for sibling in self._siblings(cpu))
        for sibling in self._siblings(cpu):
            if self.away[sibling]:
                self._violate(BESIDE_FULL, sibling, vm, BEFORE, HIDDEN, self.away[sibling][0], at)
        for space, other in self.translations[cpu].enter(vm):
            what = WINDOW_TLB if space == self.host_root[cpu] else space if space == GUEST_TLB else OTHER_WINDOW_TLB
            self._violate(STALE, cpu, vm, what, ("vm", other), None, at)
        self._judge(LEFT_BEHIND, cpu, vm, core.held, at)
        for thread in core.cpus if self.judges_buffers else ():
            self._judge(IN_BUFFERS, cpu, vm, self.buffers[thread], at)

    def _judge(self, kind, cpu, vm, held, at):
        """@held: what is left where the guest @vm begins to run on @cpu. More VMs may have turned up since that read a line."""
        for owner, lines in held.items():
            if self._may_hold(owner, vm, self.core_of[cpu]):
                continue
            for line, (_, where) in lines.items():
                if owner[0] in ("vm", "vms") and line != BEFORE and is_of(self.owner_of(line), vm):
                    continue
                self._violate(kind, cpu, vm, line, owner, where, at)

    def leave(self, cpu):
        """The first instruction of the hypervisor after a VM exit, which loaded the host root."""
        self.time += 1
        self.count["exits"] += 1
        self.guest[cpu] = None
        self.root[cpu] = self.host_root[cpu]
        self.away[cpu] = None
        self.fill[cpu] = {}


class Attribution:
    """Learns which frames the processor needs to run which VM: that VM's VMCS, MSR bitmap, MSRs to load and extended page tables. The
    VMCS accessed last before a guest's first instruction is that guest's; what else was accessed since then, or is while the
    guest runs, is so too. @serve: called with frame and owner."""

    def __init__(self, core_of, serve):
        self.serve = serve
        self.guest = {cpu: None for cpu in core_of}
        self.vmcs = {cpu: None for cpu in core_of}
        self.pending = {cpu: set() for cpu in core_of}

    def access(self, cpu, frame, remark):
        if remark == "VMCS":
            if frame != self.vmcs[cpu]:
                self.pending[cpu] = set()
            self.vmcs[cpu] = frame
        elif not remark.startswith("EPT ") and remark not in ("MSR BITMAP", "VMX LDMSR"):
            return
        if self.guest[cpu]:
            self.serve(frame, self.guest[cpu])
        else:
            self.pending[cpu].add(frame)

    def enter(self, cpu, owner):
        if owner[0] != "vm":
            return
        self.guest[cpu] = owner
        for frame in self.pending[cpu]:
            self.serve(frame, owner)
        self.pending[cpu] = set()

    def leave(self, cpu):
        self.guest[cpu] = None
