#include "actors/series_block.hpp"

#include "actors/detail/integer_column.hpp"
#include "actors/detail/real_column.hpp"
#include "messages/limits.hpp"
#include "messages/names.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

namespace gemel {

namespace {

constexpr std::uint8_t magic = 's';
// 1 has no versions.
constexpr std::uint8_t format = 2;
constexpr std::uint8_t has_written = 0x80;
constexpr std::uint8_t has_versions = 0x40;
constexpr std::size_t checksum_size = 4;

using points_view = std::span<const series_point>;

series_kind kind_of(points_view points) {
  auto all = [&](value_kind wanted) {
    return std::all_of(points.begin(), points.end(),
                       [&](const auto& one) { return one.content.kind() == wanted; });
  };
  switch (points.front().content.kind()) {
  case value_kind::boolean:
    return all(value_kind::boolean) ? series_kind::boolean : series_kind::mixed;
  case value_kind::integer:
    return all(value_kind::integer) ? series_kind::integer : series_kind::mixed;
  case value_kind::real:
    return all(value_kind::real) ? series_kind::real : series_kind::mixed;
  case value_kind::text:
    return all(value_kind::text) ? series_kind::text : series_kind::mixed;
  default:
    return series_kind::mixed;
  }
}

void pack_texts(byte_writer& out, points_view points) {
  std::unordered_map<std::string_view, std::int64_t> numbers;
  std::vector<std::string_view> texts;
  std::vector<std::int64_t> column;
  for (const auto& one : points) {
    auto [found, is_new] =
        numbers.try_emplace(one.content.as_text(), static_cast<std::int64_t>(texts.size()));
    if (is_new)
      texts.push_back(one.content.as_text());
    column.push_back(found->second);
  }
  out.varint(texts.size());
  for (auto text : texts)
    out.text(text);
  detail::pack_integers(out, column);
}

// @returns the kind that was taken: doubles have two.
series_kind pack_reals(byte_writer& out, points_view points) {
  std::vector<double> numbers;
  numbers.reserve(points.size());
  for (const auto& one : points)
    numbers.push_back(one.content.as_real());
  auto as_xor = detail::pack_xor(numbers);
  if (detail::pack_decimals(out, numbers, as_xor.size()))
    return series_kind::decimal;
  out.text(as_xor);
  return series_kind::real;
}

series_kind pack_contents(byte_writer& out, points_view points) {
  auto kind = kind_of(points);
  switch (kind) {
  case series_kind::boolean:
  case series_kind::integer: {
    std::vector<std::int64_t> column;
    for (const auto& one : points)
      column.push_back(kind == series_kind::integer ? one.content.as_integer()
                                                    : std::int64_t{one.content.as_bool()});
    detail::pack_integers(out, column);
    return kind;
  }
  case series_kind::text:
    pack_texts(out, points);
    return kind;
  case series_kind::real:
    return pack_reals(out, points);
  default:
    for (const auto& one : points)
      pack_value(out, one.content);
    return series_kind::mixed;
  }
}

// What the stamp would be without a wait between measuring and writing, in the stamps' unit.
std::uint64_t expected_stamp(std::int64_t time_us) noexcept {
  return static_cast<std::uint64_t>(time_us / 1'000) << 16;
}

struct head {
  series_summary summary{};
  bool has_written = false;
  bool has_versions = false;
};

result<head> read_head(byte_reader& in) {
  auto kind = in.u8();
  if (kind != magic)
    return fail(errc::store_corrupt, "series block, byte 0: it is none");
  auto version = in.u8();
  if (version > format)
    return fail(errc::incompatible, "series block: format " + std::to_string(version)
                                        + ", this program knows up to " + std::to_string(format));
  if (version == 0)
    in.fail("there is no format 0");
  head made;
  auto form = in.u8();
  made.has_written = (form & has_written) != 0;
  made.has_versions = version > 1 && (form & has_versions) != 0;
  auto kinds = version > 1 ? 0x3f : 0x7f;
  made.summary.kind = static_cast<series_kind>(form & kinds);
  if (made.summary.kind > series_kind::text)
    in.fail("there is no such kind of series");
  made.summary.points =
      static_cast<std::uint32_t>(in.bounded(series_points_max, "too many points"));
  if (made.summary.points == 0)
    in.fail("it has no points");
  made.summary.time_min_us = in.signed_varint();
  made.summary.time_max_us =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(made.summary.time_min_us) + in.varint());
  if (!in.ok())
    return tl::unexpected(in.why("series block"));
  return made;
}

void read_written(byte_reader& in, std::size_t count, series_points& out) {
  std::vector<std::int64_t> column;
  detail::unpack_integers(in, count, column);
  if (!in.ok())
    return;
  for (std::size_t i = 0; i < count; ++i)
    out.written.push_back(hybrid_time{step_from(expected_stamp(out.times_us[i]), column[i])});
}

void read_texts(byte_reader& in, std::size_t count, series_points& out) {
  auto texts = in.bounded(count, "more texts than points");
  for (std::size_t i = 0; i < texts && in.ok(); ++i) {
    auto text = in.text(limits::text_bytes_max, "a text is too long");
    if (!is_utf8(text))
      in.fail("a text is not UTF-8");
    out.texts.emplace_back(text);
  }
  if (in.ok())
    detail::unpack_integers(in, count, out.integers);
  for (auto number : out.integers)
    if (static_cast<std::uint64_t>(number) >= out.texts.size())
      in.fail("a text that is not named");
}

void read_versions(byte_reader& in, std::size_t count, series_points& out) {
  std::vector<std::int64_t> versions;
  detail::unpack_integers(in, count, versions);
  out.versions.reserve(versions.size());
  for (auto one : versions)
    out.versions.push_back(static_cast<std::uint64_t>(one));
}

void read_contents(byte_reader& in, std::size_t count, series_points& out) {
  switch (out.kind) {
  case series_kind::boolean:
    detail::unpack_integers(in, count, out.integers);
    for (auto number : out.integers)
      if (number != 0 && number != 1)
        in.fail("a bool that is none");
    return;
  case series_kind::integer:
    return detail::unpack_integers(in, count, out.integers);
  case series_kind::decimal:
    return detail::unpack_decimals(in, count, out.reals);
  case series_kind::real:
    return detail::unpack_xor(in, count, out.reals);
  case series_kind::text:
    return read_texts(in, count, out);
  case series_kind::mixed:
    for (std::size_t i = 0; i < count && in.ok(); ++i)
      out.others.push_back(unpack_value(in));
  }
}

} // namespace

void series_builder::add(const series_point& point) {
  GEMEL_CHECK(!full());
  points_.push_back(point);
}

std::size_t series_builder::heap_bytes() const noexcept {
  auto bytes = points_.capacity() * sizeof(series_point);
  for (const auto& one : points_)
    bytes += one.content.heap_bytes();
  return bytes;
}

std::string series_builder::take() {
  auto made = pack_series(points_);
  points_.clear();
  return made;
}

std::string pack_series(std::span<const series_point> points) {
  GEMEL_CHECK(!points.empty() && points.size() <= series_points_max);
  std::vector<std::int64_t> times;
  std::vector<std::int64_t> written;
  std::vector<std::int64_t> versions;
  auto keeps_written = false;
  auto keeps_versions = false;
  times.reserve(points.size());
  written.reserve(points.size());
  versions.reserve(points.size());
  for (const auto& one : points) {
    times.push_back(one.time_us);
    written.push_back(
        step_between(expected_stamp(one.time_us), static_cast<std::uint64_t>(one.written)));
    versions.push_back(static_cast<std::int64_t>(one.version));
    keeps_written |= one.written != hybrid_time{};
    keeps_versions |= one.version != 0;
  }
  byte_writer body;
  detail::pack_integers(body, times);
  if (keeps_written)
    detail::pack_integers(body, written);
  if (keeps_versions)
    detail::pack_integers(body, versions);
  auto kind = pack_contents(body, points);
  auto [least, greatest] = std::minmax_element(times.begin(), times.end());
  byte_writer out;
  out.u8(magic);
  out.u8(format);
  out.u8(static_cast<std::uint8_t>(static_cast<unsigned>(kind) | (keeps_written ? has_written : 0u)
                                   | (keeps_versions ? has_versions : 0u)));
  out.varint(points.size());
  out.signed_varint(*least);
  out.varint(static_cast<std::uint64_t>(*greatest) - static_cast<std::uint64_t>(*least));
  out.raw(body.view());
  out.fixed(checksum_of(out.view()));
  return out.take();
}

result<series_summary> summary_of_series(std::string_view bytes) {
  byte_reader in{bytes};
  auto read = read_head(in);
  if (!read)
    return tl::unexpected(std::move(read.error()));
  return read->summary;
}

result<void> unpack_series(std::string_view bytes, series_points& out) {
  if (bytes.size() < checksum_size)
    return fail(errc::store_corrupt, "series block: it ends too early");
  auto body = bytes.substr(0, bytes.size() - checksum_size);
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + body.size(), checksum_size);
  if (checksum != checksum_of(body))
    return fail(errc::store_corrupt, "series block: the checksum does not match");
  byte_reader in{body};
  auto about = read_head(in);
  if (!about)
    return tl::unexpected(std::move(about.error()));
  auto count = std::size_t{about->summary.points};
  out.kind = about->summary.kind;
  out.written.clear();
  out.versions.clear();
  out.reals.clear();
  out.integers.clear();
  out.texts.clear();
  out.others.clear();
  detail::unpack_integers(in, count, out.times_us);
  if (in.ok() && about->has_written)
    read_written(in, count, out);
  if (in.ok() && about->has_versions)
    read_versions(in, count, out);
  if (in.ok())
    read_contents(in, count, out);
  if (!in.at_end())
    in.fail("bytes are left over");
  for (auto time : out.times_us)
    if (time < about->summary.time_min_us || time > about->summary.time_max_us)
      in.fail("a time outside of the block's own");
  if (!in.ok())
    return tl::unexpected(in.why("series block"));
  return {};
}

value series_points::content(std::size_t index) const {
  switch (kind) {
  case series_kind::boolean:
    return integers[index] != 0;
  case series_kind::integer:
    return integers[index];
  case series_kind::decimal:
  case series_kind::real:
    return reals[index];
  case series_kind::text:
    return texts[static_cast<std::size_t>(integers[index])];
  case series_kind::mixed:
    break;
  }
  return others[index];
}

series_point series_points::point(std::size_t index) const {
  return {times_us[index], written.empty() ? hybrid_time{} : written[index], content(index),
          versions.empty() ? 0 : versions[index]};
}

std::optional<double> series_points::number(std::size_t index) const {
  switch (kind) {
  case series_kind::boolean:
  case series_kind::integer:
    return static_cast<double>(integers[index]);
  case series_kind::decimal:
  case series_kind::real:
    return reals[index];
  case series_kind::text:
    return std::nullopt;
  case series_kind::mixed:
    break;
  }
  if (others[index].is_bool())
    return others[index].as_bool() ? 1 : 0;
  return others[index].number();
}

} // namespace gemel
