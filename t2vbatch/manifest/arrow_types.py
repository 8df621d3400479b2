"""Arrow's newer types as the older ones with the same values, which every function of Arrow takes.  [pure]"""

import pyarrow as pa

_TYPES = pa.types


def plain_array(array: pa.Array) -> pa.Array:
    """The array without views, dictionaries and extension types, also in nested types. A UUID is its text."""
    if isinstance(array.type, pa.UuidType):
        return pa.array([None if cell is None else str(cell) for cell in array.to_pylist()], pa.string())
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if _TYPES.is_dictionary(array.type):
        array = array.dictionary_decode()
    kind = _plain(array.type)
    return array if kind.equals(array.type) else array.cast(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type with large texts, bytes and lists for views, and the type of the values for dictionaries."""
    if _TYPES.is_string_view(kind):
        return pa.large_string()
    if _TYPES.is_binary_view(kind):
        return pa.large_binary()
    if _TYPES.is_dictionary(kind):
        return _plain(kind.value_type)
    if _TYPES.is_struct(kind):
        return pa.struct([_field(field) for field in kind])
    if _TYPES.is_map(kind):
        return pa.map_(_plain(kind.key_type), _field(kind.item_field), kind.keys_sorted)
    if _TYPES.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field), kind.list_size)
    if _TYPES.is_list(kind):
        return pa.list_(_field(kind.value_field))
    if _TYPES.is_large_list(kind) or _TYPES.is_list_view(kind) or _TYPES.is_large_list_view(kind):
        return pa.large_list(_field(kind.value_field))
    return kind


def _field(field: pa.Field) -> pa.Field:
    return field.with_type(_plain(field.type))
