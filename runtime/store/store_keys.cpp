#include "runtime/store/store_keys.hpp"

#include "messages/packed.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gemel::store {

namespace {

template <class Number>
void append_big_endian(std::string& out, Number number) {
  for (auto shift = static_cast<int>(8 * (sizeof number - 1)); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(number >> shift));
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (auto byte : bytes)
    number = number << 8 | static_cast<std::uint8_t>(byte);
  return number;
}

template <class T>
result<T> finished(byte_reader& in, T made, std::string_view what) {
  if (!in.at_end())
    in.fail("bytes are left over");
  if (!in.ok())
    return tl::unexpected(in.why(what));
  return made;
}

} // namespace

std::string log_key(log_position position) {
  std::string key;
  append_big_endian(key, static_cast<std::uint64_t>(position));
  return key;
}

std::optional<log_position> parse_log_key(std::string_view key) {
  if (key.size() != sizeof(std::uint64_t))
    return std::nullopt;
  return log_position{read_big_endian(key)};
}

std::string state_prefix(shard_id shard, std::uint32_t number) {
  std::string key;
  append_big_endian(key, static_cast<std::uint16_t>(shard));
  append_big_endian(key, number);
  return key;
}

std::string passive_prefix(shard_id shard) {
  std::string key;
  append_big_endian(key, static_cast<std::uint16_t>(shard));
  return key;
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff')
    prefix.pop_back();
  if (!prefix.empty())
    prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::string snapshot_key(shard_id shard) {
  std::string key{snapshot_prefix};
  append_big_endian(key, static_cast<std::uint16_t>(shard));
  return key;
}

std::optional<shard_id> parse_snapshot_key(std::string_view key) {
  if (!key.starts_with(snapshot_prefix) || key.size() != snapshot_prefix.size() + 2)
    return std::nullopt;
  auto number = read_big_endian(key.substr(snapshot_prefix.size()));
  if (number >= limits::shards)
    return std::nullopt;
  return shard_id{static_cast<std::uint16_t>(number)};
}

std::string pack_snapshot(const snapshot_record& made) {
  byte_writer out;
  out.varint(made.number);
  out.varint(static_cast<std::uint64_t>(made.position));
  out.varint(made.twins);
  out.fixed(made.digest);
  return out.take();
}

result<snapshot_record> unpack_snapshot(std::string_view bytes) {
  byte_reader in{bytes};
  snapshot_record made;
  made.number = static_cast<std::uint32_t>(in.bounded(UINT32_MAX, "the number is too large"));
  made.position = log_position{in.varint()};
  made.twins = in.varint();
  made.digest = in.fixed<std::uint64_t>();
  return finished(in, made, "a snapshot's entry");
}

std::uint64_t digest_with(std::uint64_t digest, std::string_view id, std::string_view twin) {
  auto of_id = XXH3_64bits_withSeed(id.data(), id.size(), digest);
  return XXH3_64bits_withSeed(twin.data(), twin.size(), of_id);
}

std::string pack_identity(const identity& made) {
  byte_writer out;
  out.text(made.id);
  out.text(made.node);
  out.varint(made.incarnation);
  out.text(made.boot);
  return out.take();
}

result<identity> unpack_identity(std::string_view bytes) {
  byte_reader in{bytes};
  identity made;
  made.id = in.text(limits::id_bytes_max, "the id is too long");
  made.node = in.text(limits::id_bytes_max, "the node's id is too long");
  made.incarnation = in.varint();
  made.boot = in.text(limits::id_bytes_max, "the boot's id is too long");
  return finished(in, made, "the store's identity");
}

std::string pack_position(log_position position) {
  byte_writer out;
  out.varint(static_cast<std::uint64_t>(position));
  return out.take();
}

result<log_position> unpack_position(std::string_view bytes) {
  byte_reader in{bytes};
  auto made = log_position{in.varint()};
  return finished(in, made, "a position");
}

} // namespace gemel::store
