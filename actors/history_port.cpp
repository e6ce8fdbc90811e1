#include "actors/history_port.hpp"

namespace gemel::history_keys {

namespace {

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;
constexpr std::size_t partition_bytes = 8;
constexpr std::size_t number_bytes = 4;

void append_big_endian(std::string& out, std::uint64_t number, std::size_t bytes) {
  for (auto shift = bytes * 8; shift > 0; shift -= 8)
    out.push_back(static_cast<char>(number >> (shift - 8)));
}

std::uint64_t read_big_endian(std::string_view bytes) noexcept {
  std::uint64_t number = 0;
  for (auto byte : bytes)
    number = number << 8 | static_cast<std::uint8_t>(byte);
  return number;
}

} // namespace

std::int64_t partition_of(std::int64_t time_us) noexcept {
  auto day = time_us / history_partition_us;
  return time_us % history_partition_us < 0 ? day - 1 : day;
}

std::string partition_key(std::int64_t partition) {
  std::string made;
  append_big_endian(made, static_cast<std::uint64_t>(partition) ^ sign_bit, partition_bytes);
  return made;
}

std::int64_t partition_in(std::string_view key) noexcept {
  return static_cast<std::int64_t>(read_big_endian(key.substr(0, partition_bytes)) ^ sign_bit);
}

std::string twin_prefix(std::int64_t partition, std::string_view id) {
  auto made = partition_key(partition);
  made.append(id).push_back('\0');
  return made;
}

std::string series_prefix(std::int64_t partition, std::string_view id, std::string_view property) {
  auto made = twin_prefix(partition, id);
  made.append(property).push_back('\0');
  return made;
}

std::string block_key(const std::string& series, std::uint32_t number) {
  auto made = series;
  append_big_endian(made, number, number_bytes);
  return made;
}

// Prefixes end in 0, and nothing else of a name does.
std::string end_of(std::string prefix) {
  prefix.back() = '\1';
  return prefix;
}

std::string type_key(std::string_view id) {
  std::string made{behind_blocks, 't'};
  return made.append(id);
}

std::optional<parts> parse(std::string_view key) noexcept {
  if (key.size() <= partition_bytes + number_bytes || key.front() == behind_blocks)
    return std::nullopt;
  parts made;
  made.partition = partition_in(key);
  made.number = static_cast<std::uint32_t>(read_big_endian(key.substr(key.size() - number_bytes)));
  auto names = key.substr(partition_bytes, key.size() - partition_bytes - number_bytes);
  auto id_end = names.find('\0');
  if (id_end == std::string_view::npos || names.back() != '\0' || names.size() < id_end + 2)
    return std::nullopt;
  made.id = names.substr(0, id_end);
  made.property = names.substr(id_end + 1, names.size() - id_end - 2);
  return made;
}

} // namespace gemel::history_keys
