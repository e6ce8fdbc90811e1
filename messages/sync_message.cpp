#include "messages/sync_message.hpp"

#include "messages/detail/wire_write.hpp"
#include "messages/limits.hpp"

#include <type_traits>

namespace gemel {

std::string_view to_string(sync_refusal why) noexcept {
  constexpr std::array<std::string_view, 7> names = {
      "unknown", "gap", "clock_fault", "damaged", "busy", "too_many_writers", "unknown_names"};
  auto index = static_cast<std::size_t>(why);
  return index < names.size() ? names[index] : names[0];
}

std::string_view to_string(sync_goodbye why) noexcept {
  constexpr std::array<std::string_view, 5> names = {"unknown", "stopping", "other_cluster",
                                                     "protocol", "same_site"};
  auto index = static_cast<std::size_t>(why);
  return index < names.size() ? names[index] : names[0];
}

namespace {

constexpr std::size_t label_bytes_max = 256;

template <class... Each>
struct overloaded : Each... {
  using Each::operator()...;
};
template <class... Each>
overloaded(Each...) -> overloaded<Each...>;

// ---- writing ------------------------------------------------------------------------------------

void write(byte_writer& out, const sync_hello& m) {
  out.fixed(m.protocol_min);
  out.fixed(m.protocol_max);
  out.text(m.cluster);
  out.text(m.node);
  out.fixed(static_cast<std::uint32_t>(m.site));
  out.fixed(m.incarnation);
  out.fixed(m.nonce);
  out.fixed(m.answers);
  out.varint(m.credit);
}

void write(byte_writer& out, const sync_ack& m) {
  out.u8(static_cast<std::uint8_t>(m.all));
  out.varint(m.credit);
  out.varint(m.positions.size());
  for (const auto& p : m.positions) {
    out.varint(p.shard);
    out.varint(p.received);
    out.fixed(p.staged_cut);
    out.varint(p.staged_parts);
  }
}

void write_body(byte_writer& out, const version_vector& clock,
                std::span<const replicated_entry> entries, sent_names& names) {
  out.fixed(names.table());
  byte_writer raw;
  write_columns(raw, clock, entries, names);
  write_compressed(out, raw.view());
}

void write(byte_writer& out, const sync_nack& m) {
  out.varint(m.shard);
  out.u8(static_cast<std::uint8_t>(m.why));
  out.varint(m.received);
  out.varint(m.ahead_ms);
}

void write(byte_writer& out, const sync_ping& m) {
  out.varint(m.sequence);
  out.fixed(m.sent_us);
  out.u8(static_cast<std::uint8_t>(m.has_positions));
}

void write(byte_writer& out, const sync_pong& m) {
  out.varint(m.sequence);
  out.fixed(m.sent_us);
  out.fixed(m.received_us);
  out.fixed(m.answered_us);
}

void write(byte_writer& out, const sync_digest& m) {
  out.varint(m.shards.size());
  for (const auto& s : m.shards) {
    out.varint(s.shard);
    out.fixed(s.clock);
    out.fixed(s.root);
    out.fixed(s.shown);
  }
}

void write(byte_writer& out, const sync_buckets& m) {
  out.varint(m.shard);
  out.fixed(m.clock);
  for (auto sum : m.sums)
    out.fixed(sum);
}

void write(byte_writer& out, const sync_bye& m) {
  out.u8(static_cast<std::uint8_t>(m.why));
  out.text(std::string_view{m.text}.substr(0, label_bytes_max));
}

void write(byte_writer& out, const sync_part& m, std::span<const replicated_entry> entries,
           sent_names& names) {
  out.varint(m.shard);
  out.varint(m.from);
  out.varint(m.to);
  out.fixed(m.cut);
  out.u8(static_cast<std::uint8_t>((m.full ? 1 : 0) | (m.last ? 2 : 0)));
  out.varint(m.index);
  write_body(out, m.clock, entries, names);
}

void write(byte_writer& out, const sync_repair& m, sent_names& names) {
  out.varint(m.shard);
  write_body(out, m.clock, m.entries, names);
}

// ---- reading ------------------------------------------------------------------------------------

std::uint16_t read_shard(byte_reader& in) {
  return static_cast<std::uint16_t>(
      in.bounded(limits::replica_shards - 1, "there is no such shard"));
}

sync_hello read_hello(byte_reader& in) {
  sync_hello m;
  m.protocol_min = in.fixed<std::uint16_t>();
  m.protocol_max = in.fixed<std::uint16_t>();
  m.cluster = in.text(label_bytes_max, "the cluster's name is too long");
  m.node = in.text(label_bytes_max, "the node's name is too long");
  m.site = site_id{in.fixed<std::uint32_t>()};
  m.incarnation = in.fixed<std::uint64_t>();
  m.nonce = in.fixed<std::uint64_t>();
  m.answers = in.fixed<std::uint64_t>();
  m.credit = in.varint();
  if (m.nonce == 0)
    in.fail("a hello without a nonce");
  return m;
}

sync_ack read_ack(byte_reader& in) {
  sync_ack m;
  m.all = in.u8() != 0;
  m.credit = in.varint();
  auto count = in.bounded(limits::replica_shards, "more positions than there are shards");
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    sync_position p;
    p.shard = read_shard(in);
    p.received = in.varint();
    p.staged_cut = in.fixed<std::uint64_t>();
    p.staged_parts = static_cast<std::uint32_t>(in.bounded(UINT32_MAX, "too many parts"));
    m.positions.push_back(p);
  }
  return m;
}

read_columns read_body(byte_reader& in, received_names& names) {
  names.use_table(in.fixed<std::uint64_t>());
  std::string raw;
  read_compressed(in, raw, limits::frame_bytes_max);
  if (!in.ok())
    return {};
  byte_reader inner{raw};
  auto made = read_entries(inner, names, limits::batch_entries_max);
  if (inner.ok() && !inner.at_end())
    inner.fail("bytes follow its last column");
  if (!inner.ok())
    in.fail("its columns are damaged");
  return made;
}

sync_part read_part(byte_reader& in, received_names& names) {
  sync_part m;
  m.shard = read_shard(in);
  m.from = in.varint();
  m.to = in.varint();
  m.cut = in.fixed<std::uint64_t>();
  auto flags = in.bounded(3, "unknown flags");
  m.full = (flags & 1) != 0;
  m.last = (flags & 2) != 0;
  m.index = static_cast<std::uint32_t>(in.bounded(UINT32_MAX - 1, "too many parts"));
  if (in.ok() && (m.from > m.to || (m.full && m.from != 0)))
    in.fail("it ends before it begins");
  auto body = read_body(in, names);
  m.clock = std::move(body.clock);
  m.entries = std::move(body.entries);
  for (const auto& e : m.entries)
    for (const auto& s : e.siblings)
      if (!m.clock.covers(s.write) || !m.clock.covers(s.life))
        in.fail("a write that its clock does not know");
  return m;
}

sync_nack read_nack(byte_reader& in) {
  sync_nack m;
  m.shard = read_shard(in);
  auto why = in.u8();
  if (why == 0 || why > static_cast<std::uint8_t>(sync_refusal::last_))
    in.fail("an unknown refusal");
  m.why = static_cast<sync_refusal>(why);
  m.received = in.varint();
  m.ahead_ms = in.varint();
  return m;
}

sync_ping read_ping(byte_reader& in) {
  sync_ping m;
  m.sequence = in.varint();
  m.sent_us = in.fixed<std::int64_t>();
  m.has_positions = in.u8() != 0;
  return m;
}

sync_pong read_pong(byte_reader& in) {
  sync_pong m;
  m.sequence = in.varint();
  m.sent_us = in.fixed<std::int64_t>();
  m.received_us = in.fixed<std::int64_t>();
  m.answered_us = in.fixed<std::int64_t>();
  return m;
}

sync_digest read_digest(byte_reader& in) {
  sync_digest m;
  auto count = in.bounded(limits::replica_shards, "more digests than there are shards");
  for (std::uint64_t i = 0; in.ok() && i < count; ++i) {
    auto shard = read_shard(in);
    auto clock = in.fixed<std::uint64_t>();
    auto root = in.fixed<std::uint64_t>();
    m.shards.push_back({shard, clock, root, in.fixed<std::uint64_t>()});
  }
  return m;
}

sync_buckets read_buckets(byte_reader& in) {
  sync_buckets m;
  m.shard = read_shard(in);
  m.clock = in.fixed<std::uint64_t>();
  for (auto& sum : m.sums)
    sum = in.fixed<std::uint64_t>();
  return m;
}

sync_repair read_repair(byte_reader& in, received_names& names) {
  sync_repair m;
  m.shard = read_shard(in);
  auto body = read_body(in, names);
  m.clock = std::move(body.clock);
  m.entries = std::move(body.entries);
  for (const auto& e : m.entries)
    for (const auto& s : e.siblings)
      if (!m.clock.covers(s.write))
        in.fail("a write that its clock does not know");
  return m;
}

sync_bye read_bye(byte_reader& in) {
  sync_bye m;
  auto why = in.u8();
  if (why == 0 || why > static_cast<std::uint8_t>(sync_goodbye::last_))
    in.fail("an unknown goodbye");
  m.why = static_cast<sync_goodbye>(why);
  m.text = in.text(label_bytes_max, "too many words");
  return m;
}

sync_message read_kind(std::size_t kind, byte_reader& in, received_names& names) {
  switch (kind) {
  case 0:
    return read_hello(in);
  case 1:
    return read_ack(in);
  case 2:
    return read_part(in, names);
  case 3:
    return read_nack(in);
  case 4:
    return read_ping(in);
  case 5:
    return read_pong(in);
  case 6:
    return read_digest(in);
  case 7:
    return read_buckets(in);
  case 8:
    return read_repair(in, names);
  default:
    return read_bye(in);
  }
}

std::uint32_t sum_of(std::uint64_t session, std::uint8_t kind, std::string_view body) {
  byte_writer all;
  all.fixed(session);
  all.u8(kind);
  all.fixed(hash_of(body));
  return checksum_of(all.view());
}

frame make_frame(std::uint64_t session, std::uint8_t kind, const byte_writer& body) {
  constexpr std::size_t head_words = 8;
  frame_builder builder{head_words + body.size() / sizeof(capnp::word) + 1};
  auto sync = builder.message().initSync();
  sync.setSession(session);
  sync.setKind(kind);
  sync.setChecksum(sum_of(session, kind, body.view()));
  auto target = sync.initBody(static_cast<unsigned>(body.size()));
  std::memcpy(target.begin(), body.view().data(), body.size());
  return builder.finish();
}

} // namespace

frame make_sync(std::uint64_t session, const sync_message& message, sent_names& names) {
  names.begin_message();
  byte_writer body;
  std::visit(overloaded{[&](const sync_part& m) { write(body, m, m.entries, names); },
                        [&](const sync_repair& m) { write(body, m, names); },
                        [&](const auto& m) { write(body, m); }},
             message);
  return make_frame(session, static_cast<std::uint8_t>(message.index()), body);
}

frame make_sync(std::uint64_t session, const sync_part& head,
                std::span<const replicated_entry> entries, sent_names& names) {
  static const auto kind = static_cast<std::uint8_t>(sync_message{sync_part{}}.index());
  names.begin_message();
  byte_writer body;
  write(body, head, entries, names);
  return make_frame(session, kind, body);
}

bool is_sync(const frame& any) {
  return any && any.message().isSync();
}

std::uint64_t session_of(const frame& sync) {
  return sync.message().getSync().getSession();
}

bool sync_is_whole(const frame& sync) {
  auto m = sync.message().getSync();
  auto bytes = m.getBody();
  std::string_view body{reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
  return m.getChecksum() == sum_of(m.getSession(), m.getKind(), body);
}

result<sync_message> read_sync(const frame& sync, received_names& names, bool check_sum) {
  auto m = sync.message().getSync();
  auto bytes = m.getBody();
  std::string_view body{reinterpret_cast<const char*>(bytes.begin()), bytes.size()};
  if (check_sum && !sync_is_whole(sync))
    return fail(errc::bad_frame, "sync: damaged on the way: its checksum does not match");
  if (m.getKind() >= std::variant_size_v<sync_message>)
    return fail(errc::bad_frame, "sync.kind: " + std::to_string(m.getKind()) + " is not known");
  byte_reader in{body};
  auto made = read_kind(m.getKind(), in, names);
  if (in.ok() && !in.at_end())
    in.fail("bytes follow its end");
  if (!in.ok()) {
    auto why = in.why("sync.body");
    return fail(errc::bad_frame, why.context);
  }
  return made;
}

} // namespace gemel
