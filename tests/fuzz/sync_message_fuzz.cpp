#include "actors/sync/shard_replica.hpp"
#include "messages/sync_message.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <capnp/message.h>

#include <variant>

namespace {

using namespace gemel;

// A replica takes it or refuses it, and equal clocks have equal digests after it was told on.
void merge_part(const sync_part& part) {
  static const sync_rules rules;
  shard_replica replica{make_writer(site_id{1}, 1), rules};
  shard_interval theirs{part.from, part.to, part.full, part.clock, part.entries};
  if (auto taken = replica.merge(theirs, 1); !taken)
    return fuzz::expect_named(taken.error());
  shard_replica other{make_writer(site_id{2}, 1), rules};
  fuzz::expect(other.merge(replica.cut(0, 0), 1).has_value(), "a replica refuses another's state");
  fuzz::expect(other.clock() != replica.clock()
                   || other.digest().buckets() == replica.digest().buckets(),
               "equal clocks with different digests");
}

} // namespace

/// What a peer says (hello, positions, columns of changes ...), of any bytes: it is read or refused
/// by name, what is accepted is written back the same, and replicas bear it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  capnp::MallocMessageBuilder builder;
  auto sync = builder.initRoot<wire::Message>().initSync();
  sync.setKind(data[0] % 12);
  auto target = sync.initBody(static_cast<unsigned>(size - 1));
  std::memcpy(target.begin(), data + 1, size - 1);
  received_names names{100};
  auto read = read_sync(frame::build(builder), names, false);
  if (!read) {
    fuzz::expect_named(read.error());
    return 0;
  }
  sent_names sent{100};
  received_names fresh{100};
  auto again = read_sync(make_sync(1, *read, sent), fresh);
  fuzz::expect(again && again->index() == read->index(), "its own message is refused");
  if (const auto* part = std::get_if<sync_part>(&*read)) {
    fuzz::expect(std::get<sync_part>(*again).entries == part->entries,
                 "entries are written back differently");
    merge_part(*part);
  }
  return 0;
}
