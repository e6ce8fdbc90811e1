#include "actors/sync/replica_record.hpp"
#include "actors/sync/shard_replica.hpp"
#include "messages/sync_message.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <variant>

namespace {

using namespace gemel;

// An error must have a name and a place.
void expect_named(const error& why) {
  if (why.code == errc::none || why.context.empty())
    std::abort();
}

// What is accepted is written back to the same record.
void read_record(std::string bytes) {
  auto checksum = checksum_of(std::string_view{bytes}.substr(0, bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &checksum, 4);
  auto record = unpack_record(bytes);
  if (!record)
    return expect_named(record.error());
  auto again = unpack_record(pack_record(*record));
  if (!again || !(again->entries == record->entries) || !(again->clock == record->clock))
    std::abort();
}

// A replica takes it or refuses it, and equal clocks have equal digests after it was told on.
void merge_part(const sync_part& part) {
  static const sync_rules rules;
  shard_replica replica{make_writer(site_id{1}, 1), rules};
  shard_interval theirs{part.from, part.to, part.full, part.clock, part.entries};
  if (auto taken = replica.merge(theirs, 1); !taken)
    return expect_named(taken.error());
  shard_replica other{make_writer(site_id{2}, 1), rules};
  if (!other.merge(replica.cut(0, 0), 1))
    std::abort();
  if (other.clock() == replica.clock() && other.digest().buckets() != replica.digest().buckets())
    std::abort();
}

void read_message(std::uint8_t kind, std::string_view body) {
  capnp::MallocMessageBuilder builder;
  auto sync = builder.initRoot<wire::Message>().initSync();
  sync.setKind(kind);
  auto target = sync.initBody(static_cast<unsigned>(body.size()));
  std::memcpy(target.begin(), body.data(), body.size());
  received_names names{100};
  auto read = read_sync(frame::build(builder), names, false);
  if (!read)
    return expect_named(read.error());
  sent_names sent{100};
  received_names fresh{100};
  auto again = read_sync(make_sync(1, *read, sent), fresh);
  if (!again || again->index() != read->index())
    std::abort();
  if (const auto* part = std::get_if<sync_part>(&*read)) {
    if (!(std::get<sync_part>(*again).entries == part->entries))
      std::abort();
    merge_part(*part);
  }
}

} // namespace

/// Whatever bytes a peer sends or the disk holds: sync messages and replica records are read or
/// refused by name, what is accepted is written back the same, and replicas bear it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6)
    return 0;
  std::string bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  constexpr std::uint8_t records = 11;
  if (data[0] % 12 == records)
    read_record(std::move(bytes));
  else
    read_message(data[0] % 12, bytes);
  return 0;
}
