"""Rewrite a GGUF file with other keys and tensors, with the `gguf` package."""
import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter


def rewrite(source, target, keys=None, tensors=None):
    """keys: name -> value, None to drop it. tensors: a function that changes a dictionary name -> array (outermost dimension first),
    or (bytes, GGMLQuantizationType)."""
    reader = GGUFReader(source)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    changed = dict(keys or {})
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name in changed:
            continue
        kind = field.types[0]
        writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == GGUFValueType.ARRAY else None)
    for name, value in changed.items():
        if isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif value is not None:
            writer.add_uint32(name, value)
    arrays = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    if tensors:
        tensors(arrays)
    for name, array in arrays.items():
        data, kind = array if isinstance(array, tuple) else (array, None)
        writer.add_tensor(name, np.ascontiguousarray(data), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
