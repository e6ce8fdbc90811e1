#include "actors/sync/replica_record.hpp"

#include "messages/limits.hpp"
#include "messages/sync_columns.hpp"

namespace gemel {

namespace {

constexpr std::uint8_t mark = 'S';
constexpr std::uint8_t format = 2;
constexpr std::size_t sum_size = sizeof(std::uint32_t);

} // namespace

std::string pack_record(const replica_head& head, std::span<const changed_entry> entries) {
  byte_writer out;
  out.u8(mark);
  out.u8(format);
  out.varint(head.shard);
  out.varint(head.last_change);
  out.varint(head.forgotten);
  out.varint(head.position.received);
  if (head.position.received != 0) {
    out.fixed(static_cast<std::uint32_t>(head.position.site));
    out.fixed(head.position.incarnation);
  }
  sent_names names; // a record spells its own names
  write_columns(out, head.clock, entries, names);
  std::uint64_t last = 0;
  for (const auto& e : entries)
    out.signed_varint(step_between(std::exchange(last, e.number), e.number));
  out.fixed(checksum_of(out.view()));
  return out.take();
}

std::string pack_record(const replica_record& record) {
  GEMEL_CHECK(record.numbers.size() == record.entries.size());
  std::vector<changed_entry> views;
  for (std::size_t i = 0; i < record.entries.size(); ++i) {
    const auto& e = record.entries[i];
    views.push_back({e.twin, e.key, e.siblings, record.numbers[i]});
  }
  return pack_record(record, views);
}

result<replica_record> unpack_record(std::string_view bytes) {
  constexpr const char* part = "replica record";
  if (bytes.size() < sum_size + 2)
    return fail(errc::store_corrupt, "replica record: it ends too early");
  auto body = bytes.substr(0, bytes.size() - sum_size);
  byte_reader sum{bytes.substr(body.size())};
  if (sum.fixed<std::uint32_t>() != checksum_of(body))
    return fail(errc::store_corrupt, "replica record: its checksum does not match");
  byte_reader in{body};
  if (in.u8() != mark)
    return fail(errc::store_corrupt, "replica record, byte 0: this is no replica record");
  auto made_by = in.u8();
  if (made_by > format)
    return fail(errc::incompatible, "replica record: made by a newer version");
  if (made_by < format)
    return fail(errc::incompatible,
                "replica record: made by an earlier version; start the node once "
                "without peers, then its replicas are made anew");
  replica_record made;
  made.shard =
      static_cast<std::uint16_t>(in.bounded(limits::replica_shards - 1, "there is no such shard"));
  made.last_change = in.varint();
  made.forgotten = in.varint();
  made.position.received = in.varint();
  if (made.position.received != 0) {
    made.position.site = site_id{in.fixed<std::uint32_t>()};
    made.position.incarnation = in.fixed<std::uint64_t>();
  }
  received_names names;
  auto columns = read_entries(in, names, SIZE_MAX);
  std::uint64_t last = 0;
  for (std::size_t i = 0; in.ok() && i < columns.entries.size(); ++i) {
    last = step_from(last, in.signed_varint());
    if (last == 0 || last > made.last_change)
      in.fail("a change after the last");
    made.numbers.push_back(last);
  }
  if (in.ok() && !in.at_end())
    in.fail("bytes follow its end");
  if (!in.ok())
    return tl::unexpected{in.why(part)};
  made.clock = std::move(columns.clock);
  made.entries = std::move(columns.entries);
  return made;
}

} // namespace gemel
