"""Read a Sweepstake store: the only Python file that knows its schema (src/store/README.md).

    from read import Store
    store = Store("quickstart.h5")
    store.rounds()            # one row per committed training, a pandas DataFrame
    store.mask(row)           # {"fc1.weight": bool array [300, 784], ...}

Works beside a running sweep: what is not committed yet is left out. A file that is not a store, is truncated, or
whose fixed part was damaged raises StoreError before HDF5 sees it.
"""

import os
import struct

os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")  # a running writer needs no lock from us

import h5py
import numpy as np
import pandas as pd
import xxhash

SCHEMA = 4
BLOCK_BYTES = 4096
BLOCK_MAGIC = b"SWSTORE1"
COMMIT_MAGIC = int.from_bytes(b"SWCOMMT1", "little")
COMMIT_BYTES = 280
MAX_EXTENTS = 64
SECTIONS = ("theta0", "theta_k", "masks", "weights", "layers", "curves", "prunes", "alerts", "rounds")


class StoreError(Exception):
    """The file cannot be used; the text says what was found."""


def _digest(pieces):
    state = xxhash.xxh3_128()
    for piece in pieces:
        state.update(piece)
    return state.digest()


def _gaps(extents, start, end):
    """The parts of start .. end outside the extents, in order."""
    for offset, length in sorted(extents):
        if offset < start or length < 0 or offset + length > end:
            raise ValueError("an extent lies outside the file")
        if offset > start:
            yield start, offset
        start = offset + length
    if start < end:
        yield start, end


def check_block(path):
    """Check the user block and the fixed part of a store with plain input; raises StoreError."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            block = file.read(BLOCK_BYTES)
            if len(block) < BLOCK_BYTES or block[:8] != BLOCK_MAGIC:
                raise StoreError(f"{path}: is not a Sweepstake store")
            version, stored_size, n_extents = struct.unpack_from("<3Q", block, 8)
            if _digest([block[:4080]]) != block[4080:4096]:
                raise StoreError(f"{path}: the user block (bytes 0..4095) is damaged")
            if version != SCHEMA:
                raise StoreError(f"{path}: schema {version}; this reader knows schema {SCHEMA}")
            if size != stored_size:
                raise StoreError(f"{path}: has {size} bytes, a whole store has {stored_size}: truncated?")
            if n_extents > MAX_EXTENTS:
                raise StoreError(f"{path}: the user block lists {n_extents} extents")
            extents = [struct.unpack_from("<2Q", block, 32 + 16 * i) for i in range(n_extents)]
            state = xxhash.xxh3_128()
            for start, end in _gaps(extents, BLOCK_BYTES, size):
                file.seek(start)
                state.update(file.read(end - start))
            if state.digest() != block[4064:4080]:
                raise StoreError(f"{path}: the fixed part (plan and HDF5 metadata) is damaged")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path}: {error}") from error


def _text(value):
    return bytes(value).rstrip(b"\0").decode("utf-8", "replace")


def _frame(table):
    """A structured array as a DataFrame: strings decoded, array columns as tuples."""
    columns = {}
    for name in table.dtype.names:
        column = table[name]
        if column.dtype.kind == "S":
            columns[name] = [_text(value) for value in column]
        elif column.ndim > 1 or column.dtype.kind == "V":
            columns[name] = [tuple(value) if value.ndim else bytes(value) for value in column]
        else:
            columns[name] = column
    return pd.DataFrame(columns)


class Store:
    """An open store. Rows are rows of /rounds everywhere."""

    def __init__(self, path):
        self.path = os.fspath(path)
        check_block(self.path)
        try:
            self.file = h5py.File(self.path, "r")
            self.plan = _frame(self.file["/plan/rounds"][()])
            self.params = _frame(self.file["/plan/params"][()])
            self.models = _frame(self.file["/plan/models"][()])
            self.data = _frame(self.file["/plan/data"][()])
        except (OSError, KeyError, ValueError) as error:
            raise StoreError(f"{self.path}: cannot be read: {error}") from error

    def close(self):
        self.file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- the fixed part ----------------------------------------------------------------------------

    def attribute(self, name):
        """A root attribute (program, isa, openblas, kernel_table, sweep, plan_digest) as text."""
        value = self.file.attrs[name]
        return _text(value) if isinstance(value, bytes) else value.decode() if hasattr(value, "decode") else value

    def sweep_text(self):
        """The sweep file, as it was given."""
        return _text(self.file["/plan/text"][()])

    def overrides(self):
        """The --set options, one per line."""
        return _text(self.file["/plan/overrides"][()])

    def trials(self):
        """One row per trial: `trial` and every setting."""
        return _frame(self.file["/trials"][()])

    def trial_rounds(self):
        """int64[trials, rounds]: row of a trial's ticket, -1 where there is none."""
        return self.file["/trial_rounds"][()]

    def uses(self):
        """One row per (trial, round, control) with its row; trainings that trials share appear for each."""
        rows = self.file["/trial_controls"][()]
        trial, rnd, control = np.nonzero(rows >= 0)
        return pd.DataFrame({"trial": trial, "round": rnd, "control_index": control, "row": rows[trial, rnd, control]})

    # ---- commits ---------------------------------------------------------------------------------------

    def commits(self):
        """Commit records of the rounds that are committed, indexed by row. Torn records are left out."""
        dataset = self.file["/commits"]
        table = dataset[()]
        raw = table.tobytes()
        if table.dtype.itemsize != COMMIT_BYTES:
            raise StoreError(f"{self.path}: commit records have {table.dtype.itemsize} bytes")
        keep = []
        for row in np.nonzero(table["magic"] == COMMIT_MAGIC)[0]:
            record = raw[row * COMMIT_BYTES : (row + 1) * COMMIT_BYTES]
            if _digest([record[:264]]) == record[264:] and table["row"][row] == row:
                keep.append(row)
        frame = _frame(table[keep])
        return frame.set_index("row", drop=False)

    def _committed(self, row):
        commits = self.commits()
        if row not in commits.index:
            raise StoreError(f"{self.path}: row {row} is not committed")
        return commits.loc[row]

    def _slab(self, row, section, commit=None):
        """The elements of a section that a round really wrote, checked against its commit record."""
        commit = self._committed(row) if commit is None else commit
        length = int(commit[section + "_length"])
        start = int(self.plan.at[row, section + "_offset"])
        part = self.file["/" + section][start : start + length] if length else self.file["/" + section][0:0]
        if _digest([part.tobytes()]) != bytes(commit[section + "_checksum"]):
            raise StoreError(f"{self.path}: /{section} of row {row} is damaged")
        return part

    # ---- tables ----------------------------------------------------------------------------------------

    def rounds(self):
        """One row per committed training, indexed by row: results, times, places, and `weights_left` (share)."""
        commits = self.commits()
        table = self.file["/rounds"][()][commits.index.to_numpy(dtype=int)]
        for row, record, checksum in zip(commits.index, table, commits["rounds_checksum"]):
            if _digest([record.tobytes()]) != bytes(checksum):
                raise StoreError(f"{self.path}: /rounds of row {row} is damaged")
        frame = _frame(table).set_index("row", drop=False)
        frame["weights_left"] = frame["nnz"] / frame["prunable"]
        return frame

    def _per_round(self, section):
        frames = []
        for row, commit in self.commits().iterrows():
            frame = _frame(self._slab(row, section, commit))
            frame.insert(0, "row", row)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({"row": []})

    def layers(self):
        """Sparsity and norms per layer of every committed round."""
        return self._per_round("layers")

    def curves(self):
        """Evaluations along every committed training."""
        return self._per_round("curves")

    def prunes(self):
        """What prunes inside of trainings did (prune.schedule cubic and seed_dynamic)."""
        return self._per_round("prunes")

    def alerts(self):
        """What the monitors raised."""
        return self._per_round("alerts")

    def tickets(self):
        """Committed trainings by trial, round and control, with all results and the trial's settings.

        Settings that share a name with a result have `_setting` behind it (`control_setting`)."""
        rounds = self.rounds().drop(columns=["trial", "round"]).reset_index(drop=True)
        return self.uses().merge(rounds, on="row").merge(
            self.trials(), on="trial", suffixes=("", "_setting")).sort_values(["trial", "control_index", "round"], ignore_index=True)

    # ---- arrays -----------------------------------------------------------------------------------------

    def parameters(self, row):
        """The parameters of a round's network: a DataFrame with name, shape, offset, prunable, ..."""
        model = self.plan.at[row, "arch"]
        return self.params[self.params["model"] == model].reset_index(drop=True)

    @staticmethod
    def _shape(param):
        return tuple(int(n) for n in param["shape"][: int(param["rank"])])

    def mask(self, row):
        """{name: bool array of the parameter's shape} for the prunable parameters of a round."""
        owner = int(self.plan.at[row, "mask_owner"])
        packed = self._slab(owner, "masks")
        masks = {}
        for _, param in self.parameters(row).iterrows():
            if not param["prunable"]:
                continue
            start = int(param["mask_offset"])
            count = int(param["count"])
            bits = np.unpackbits(packed[start : start + (count + 7) // 8], bitorder="little", count=count)
            masks[param["name"]] = bits.astype(bool).reshape(self._shape(param))
        return masks

    def _named(self, row, flat):
        """Flat parameters as {name: float32 array}."""
        arrays = {}
        for _, param in self.parameters(row).iterrows():
            part = flat[int(param["offset"]) : int(param["offset"]) + int(param["count"])]
            arrays[param["name"]] = part.reshape(self._shape(param))
        return arrays

    def theta0(self, row):
        """{name: float32 array} at initialisation, unmasked."""
        return self._named(row, self._slab(int(self.plan.at[row, "theta0_owner"]), "theta0"))

    def start(self, row):
        """{name: float32 array} that a round was trained from, unmasked: theta_k where it was rewound to a step k > 0, what
        its parent trained where rewind.mode keeps trained weights."""
        owner = int(self.plan.at[row, "theta_k_owner"])
        if self._has_sparse_init(row):
            raise StoreError(f"{self.path}: row {row} begins with weights of model.sparse_init, which are not stored; "
                             "sweepstake export gives them")
        if self._keeps_weights(row):
            return self.weights(int(self.plan.at[row, "parent"]))
        if owner < 0:
            return self.theta0(row)
        snapshots = self._slab(owner, "theta_k").reshape(int(self.plan.at[owner, "snapshots"]), -1)
        return self._named(row, snapshots[int(self.plan.at[row, "theta_k_index"])])

    def _keeps_weights(self, row):
        """Did a ticket begin with its parent's trained weights?"""
        plan = self.plan.loc[row]
        mode = self.trials().at[int(plan["trial"]), "rewind.mode"]
        return int(plan["round"]) > 0 and int(plan["control"]) == 0 and mode != "weights"

    def _has_sparse_init(self, row):
        """Were the initial weights scaled to the mask?"""
        plan = self.plan.loc[row]
        trial = self.trials().loc[int(plan["trial"])]
        ticket = trial["prune.criterion"] == "random" or trial["model.sparse_init_tickets"]
        acts = ticket if int(plan["control"]) == 0 else int(plan["control"]) > 1  # reinit draws weights of its own
        return int(plan["round"]) > 0 and trial["model.sparse_init"] != "none" and bool(acts)

    def ticket(self, row):
        """{name: float32 array}: the start weights under the mask, what the round was trained from."""
        masks = self.mask(row)
        return {name: np.where(masks[name], array, np.float32(0)) if name in masks else array
                for name, array in self.start(row).items()}

    def weights(self, row):
        """{name: float32 array}: the trained weights, zero where pruned; load into a PyTorch state_dict."""
        survivors = self._slab(row, "weights")
        masks = self.mask(row)
        arrays, used = {}, 0
        for _, param in self.parameters(row).iterrows():
            keep = masks.get(param["name"], np.ones(self._shape(param), bool))
            array = np.zeros(keep.shape, np.float32)
            array[keep] = survivors[used : used + keep.sum()]
            used += int(keep.sum())
            arrays[param["name"]] = array
        return arrays
