@0x910c39dccf4d7b17;
# Property values. Who talks to whom: every message that carries properties uses these structs; the
# bounds named here are those of messages/limits.hpp and are checked once, at the door.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("gemel::wire");

using KeyIndex = UInt16;
# Index into the `keys` table of the message that the value stands in. A key is spelt once in a
# message.

struct Value {
  # One property value, or an element of a list. The first member is the safest reading: a reader
  # that does not know a newer kind refuses the frame, it never guesses.
  union {
    null @0 :Void;
    boolean @1 :Bool;
    integer @2 :Int64;
    real @3 :Float64;
    # Any IEEE 754 double, infinities and NaN among them.
    text @4 :Text;
    # UTF-8, at most text_bytes_max bytes.
    bytes @5 :Data;
    # At most text_bytes_max bytes.
    list @6 :List(Value);
    # At most value_elements_max elements; lists and maps nest at most value_depth_max deep.
    map @7 :List(Member);
    # At most value_elements_max members, in any order; of equal keys the last one counts.
  }
  key @8 :KeyIndex;
  # In a list of properties: which property. Inside lists and maps: 0, not read.
}

struct Member {
  # One member of a map value.
  key @0 :Text;
  value @1 :Value;
}
