"""The driver API, as far as the kernel benchmarks need it, through ctypes. Raises on every error."""
import ctypes as C

import numpy as np


class Size(C.Structure):
    """bp_size of kernels/common.cuh, fixed."""
    _fields_ = [("at", C.c_void_p), ("fixed", C.c_int)]


class LaunchAttribute(C.Structure):
    _fields_ = [("id", C.c_int), ("pad", C.c_char * 4), ("value", C.c_char * 64)]


class LaunchConfig(C.Structure):
    _fields_ = [(n, C.c_uint) for n in ("gx", "gy", "gz", "bx", "by", "bz", "shared")] + [
        ("stream", C.c_void_p), ("attributes", C.POINTER(LaunchAttribute)), ("count", C.c_uint)]


class Driver:
    def __init__(self):
        self.lib = C.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device = C.c_int()
        self.call("cuDeviceGet", C.byref(device), 0)
        self.context = C.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", C.byref(self.context), device)
        self.call("cuCtxSetCurrent", self.context)
        self.stream = C.c_void_p()
        self.call("cuStreamCreate", C.byref(self.stream), 1)
        name = C.create_string_buffer(100)
        self.call("cuDeviceGetName", name, 100, device)
        self.name = name.value.decode()

    def call(self, name, *args):
        status = getattr(self.lib, name)(*args)
        if status:
            text = C.c_char_p()
            self.lib.cuGetErrorString(status, C.byref(text))
            raise RuntimeError(f"{name}: {text.value}")

    def take(self, bytes_):
        p = C.c_uint64()
        self.call("cuMemAlloc_v2", C.byref(p), C.c_size_t(max(bytes_, 256)))
        return p.value

    def give(self, p):
        self.call("cuMemFree_v2", C.c_uint64(p))

    def upload(self, array):
        a = np.ascontiguousarray(array)
        p = self.take(a.nbytes)
        self.call("cuMemcpyHtoD_v2", C.c_uint64(p), a.ctypes.data_as(C.c_void_p), C.c_size_t(a.nbytes))
        return p

    def fill(self, p, byte, n):
        self.call("cuMemsetD8_v2", C.c_uint64(p), C.c_ubyte(byte), C.c_size_t(n))

    def download(self, p, shape, dtype=np.float32):
        a = np.empty(shape, dtype)
        self.call("cuMemcpyDtoH_v2", a.ctypes.data_as(C.c_void_p), C.c_uint64(p), C.c_size_t(a.nbytes))
        return a

    def function(self, cubin, name, shared=0):
        module, f = C.c_void_p(), C.c_void_p()
        self.call("cuModuleLoadData", C.byref(module), open(cubin, "rb").read())
        self.call("cuModuleGetFunction", C.byref(f), module, name.encode())
        if shared > 48 << 10:
            self.call("cuFuncSetAttribute", f, 8, shared)
        return f

    def launch(self, f, grid, block, args, shared=0, overlap=False):
        """args: int -> int32, float, Size, or ("p", address), ("q", int64)."""
        held = []
        for a in args:
            if isinstance(a, tuple):
                held.append(C.c_uint64(a[1]))
            elif isinstance(a, float):
                held.append(C.c_float(a))
            elif isinstance(a, Size):
                held.append(a)
            else:
                held.append(C.c_int32(a))
        array = (C.c_void_p * len(held))(*[C.cast(C.byref(h), C.c_void_p) for h in held])
        attribute = LaunchAttribute(6)  # programmatic stream serialization
        attribute.value = b"\1"
        config = LaunchConfig(*grid, block, 1, 1, shared, self.stream, C.pointer(attribute), 1 if overlap else 0)
        self.call("cuLaunchKernelEx", C.byref(config), f, array, None)

    def wait(self):
        self.call("cuStreamSynchronize", self.stream)

    def time(self, work, repeats=7):
        """Median seconds of what `work` launches, captured once and replayed."""
        graph, ready = C.c_void_p(), C.c_void_p()
        self.call("cuStreamBeginCapture_v2", self.stream, 2)
        work()
        self.call("cuStreamEndCapture", self.stream, C.byref(graph))
        self.call("cuGraphInstantiateWithFlags", C.byref(ready), graph, C.c_ulonglong(0))
        events = [C.c_void_p(), C.c_void_p()]
        for e in events:
            self.call("cuEventCreate", C.byref(e), 0)
        times = []
        for i in range(repeats + 2):
            self.call("cuEventRecord", events[0], self.stream)
            self.call("cuGraphLaunch", ready, self.stream)
            self.call("cuEventRecord", events[1], self.stream)
            self.wait()
            ms = C.c_float()
            self.call("cuEventElapsedTime_v2" if hasattr(self.lib, "cuEventElapsedTime_v2") else "cuEventElapsedTime",
                      C.byref(ms), events[0], events[1])
            if i >= 2:
                times.append(ms.value / 1e3)
        self.call("cuGraphExecDestroy", ready)
        self.call("cuGraphDestroy", graph)
        return sorted(times)[len(times) // 2]
