#include "registry/query.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "messages/text.hpp"
#include "registry/detail/operand.hpp"

#include <algorithm>
#include <cmath>

namespace gemel {

namespace {

bool continues_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

std::string_view shortened(std::string_view text) {
  if (text.size() <= sort_key_bytes_max)
    return text;
  auto size = sort_key_bytes_max;
  while (size > 0 && continues_character(text[size]))
    --size;
  return text.substr(0, size);
}

// Integers and doubles have one rank.
int rank_of(const value& content) noexcept {
  auto kind = content.is_real() ? value_kind::integer : content.kind();
  return static_cast<int>(kind);
}

bool is_nan(const value& content) {
  return content.is_real() && std::isnan(content.as_real());
}

std::weak_ordering compare_numbers(const value& left, const value& right) {
  auto order = detail::compare_numbers(left, right);
  if (order < 0)
    return std::weak_ordering::less;
  if (order > 0)
    return std::weak_ordering::greater;
  if (order == 0)
    return std::weak_ordering::equivalent;
  return is_nan(right) <=> is_nan(left); // NaN comes first
}

// FNV-1a, 64 bits; every field ends with its size, so that two fields never run into each other.
class hasher {
public:
  void add(std::string_view field) {
    for (auto c : field)
      add_byte(static_cast<unsigned char>(c));
    for (auto size = field.size(), i = sizeof size; i > 0; --i, size >>= 8)
      add_byte(size & 0xff);
  }

  std::uint64_t digest() const noexcept { return hash_; }

private:
  void add_byte(std::uint64_t byte) noexcept { hash_ = (hash_ ^ byte) * 0x100000001b3; }

  std::uint64_t hash_ = 0xcbf29ce484222325;
};

// Base64 for addresses: RFC 4648, section 5, without padding.
std::string to_token(std::string_view bytes) {
  auto token = to_base64(bytes);
  token.erase(std::min(token.find('='), token.size()));
  std::replace(token.begin(), token.end(), '+', '-');
  std::replace(token.begin(), token.end(), '/', '_');
  return token;
}

std::optional<std::string> from_token(std::string token) {
  if (token.find_first_of("+/=") != std::string::npos)
    return std::nullopt;
  std::replace(token.begin(), token.end(), '-', '+');
  std::replace(token.begin(), token.end(), '_', '/');
  token.append((4 - token.size() % 4) % 4, '=');
  return from_base64(token);
}

// A token is JSON inside: [format, hash of the spec, sort key, id].
constexpr std::int64_t token_format = 1;

// Room for a key and an id of greatest length with every byte escaped, and base64 around.
constexpr std::size_t token_bytes_max = 8 * (sort_key_bytes_max + limits::id_bytes_max) + 256;

result<expression> compile_field(const std::string& field, std::string_view text,
                                 const expression_options& options) {
  auto compiled = expression::compile(text, options);
  if (!compiled)
    return fail(compiled.error().code, field + ", " + compiled.error().context);
  return compiled;
}

result<void> check_spec(const query_spec& spec) {
  if (!spec.type.empty())
    if (auto checked = check_type(spec.type); !checked)
      return checked;
  if (!spec.parent.empty())
    if (auto checked = check_id(spec.parent); !checked)
      return checked;
  if (!spec.ancestor.empty())
    if (auto checked = check_id(spec.ancestor); !checked)
      return checked;
  if (spec.limit > limits::page_rows_max)
    return fail(errc::limit_reached, "limit is " + std::to_string(spec.limit) + ", at most "
                                         + std::to_string(limits::page_rows_max)
                                         + " rows make a page");
  if (spec.select.size() > limits::properties_max)
    return fail(errc::limit_reached, "select has " + std::to_string(spec.select.size())
                                         + " expressions, at most "
                                         + std::to_string(limits::properties_max) + " are allowed");
  return {};
}

} // namespace

std::weak_ordering compare_sort_keys(const value& left, const value& right) {
  if (auto ranks = rank_of(left) <=> rank_of(right); ranks != 0)
    return ranks;
  switch (left.kind()) {
  case value_kind::boolean:
    return left.as_bool() <=> right.as_bool();
  case value_kind::integer:
  case value_kind::real:
    return compare_numbers(left, right);
  case value_kind::text:
    return left.as_text() <=> right.as_text();
  case value_kind::bytes: {
    auto a = left.as_bytes();
    auto b = right.as_bytes();
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
  }
  default:
    return std::weak_ordering::equivalent;
  }
}

value sort_key(const value* content) {
  if (content == nullptr)
    return {};
  switch (content->kind()) {
  case value_kind::text: {
    auto text = content->as_text();
    return text.size() <= sort_key_bytes_max ? *content : value{shortened(text)};
  }
  case value_kind::bytes: {
    auto bytes = content->as_bytes();
    return bytes.size() <= sort_key_bytes_max ? *content
                                              : value::of_bytes(bytes.first(sort_key_bytes_max));
  }
  case value_kind::list:
    return value{value_list{}};
  case value_kind::map:
    return value{value_map{}};
  default:
    return *content;
  }
}

result<query_plan> query_plan::make(query_spec spec, const expression_options& options) {
  if (auto checked = check_spec(spec); !checked)
    return tl::unexpected<error>(checked.error());
  query_plan plan;
  plan.spec_ = std::move(spec);
  plan.limit_ = plan.spec_.limit == 0 ? limits::page_rows_max : plan.spec_.limit;
  if (auto compiled = plan.compile(options); !compiled)
    return tl::unexpected<error>(compiled.error());
  plan.make_hash();
  if (auto read = plan.read_token(); !read)
    return tl::unexpected<error>(read.error());
  return plan;
}

result<void> query_plan::compile(const expression_options& options) {
  auto compile_optional = [&](const char* field, const std::string& text, auto& target) {
    if (text.empty())
      return result<void>{};
    return compile_field(field, text, options).map([&](expression&& made) {
      target = std::move(made);
    });
  };
  if (auto made = compile_optional("where", spec_.where, where_); !made)
    return made;
  if (auto made = compile_optional("order_by", spec_.order_by, order_by_); !made)
    return made;
  for (std::size_t i = 0; i < spec_.select.size(); ++i) {
    auto field = "select[" + std::to_string(i) + "]";
    auto made = compile_field(field, spec_.select[i], options);
    if (!made)
      return tl::unexpected<error>(made.error());
    select_.push_back(std::move(*made));
  }
  return {};
}

// Of the normalised texts: the same query in other spelling keeps its tokens.
void query_plan::make_hash() {
  hasher hash;
  hash.add(spec_.type);
  hash.add(spec_.parent);
  hash.add(spec_.ancestor);
  hash.add(where_ ? where_->to_string() : "");
  hash.add(order_by_ ? order_by_->to_string() : "");
  hash.add(spec_.descending ? "descending" : "ascending");
  hash.add(spec_.count_only ? "count" : "rows");
  for (const auto& each : select_)
    hash.add(each.to_string());
  hash_ = hash.digest();
}

result<void> query_plan::read_token() {
  if (spec_.page_token.empty())
    return {};
  auto damaged = [] { return fail(errc::bad_value, "page_token is damaged"); };
  if (spec_.page_token.size() > token_bytes_max)
    return damaged();
  auto text = from_token(spec_.page_token);
  auto content = text ? value_from_json(*text) : fail(errc::bad_value);
  if (!content || !content->is_list() || content->as_list().size() != 4)
    return damaged();
  auto fields = content->as_list();
  if (!(fields[0] == value{token_format}) || !fields[1].is_integer() || !fields[3].is_text())
    return damaged();
  if (static_cast<std::uint64_t>(fields[1].as_integer()) != hash_)
    return fail(errc::bad_value, "page_token belongs to another query");
  start_ = query_place{sort_key(&fields[2]), std::string{fields[3].as_text()}};
  return {};
}

bool query_plan::before(const value& left_key, std::string_view left_id, const value& right_key,
                        std::string_view right_id) const {
  auto order = compare_sort_keys(left_key, right_key);
  if (order == 0)
    order = left_id <=> right_id;
  return spec_.descending ? order > 0 : order < 0;
}

bool query_plan::behind_token(const value& key, std::string_view id) const {
  return !start_ || before(start_->key, start_->id, key, id);
}

std::string query_plan::token_behind(const query_place& last) const {
  return to_token(to_json(
      value{value_list{value{token_format}, value{hash_}, sort_key(&last.key), value{last.id}}}));
}

query_collector::query_collector(const query_plan& plan) : plan_(plan) {
}

void query_collector::add(std::string_view id, const value* order_value, std::uint64_t payload) {
  ++page_.matches;
  if (plan_.spec().count_only)
    return;
  auto key = sort_key(order_value);
  if (!plan_.behind_token(key, id))
    return;
  const auto& rows = page_.rows;
  if (rows.size() == plan_.limit()) {
    page_.more = true;
    const auto& last = rows.front().place;
    if (!plan_.before(key, id, last.key, last.id))
      return;
  }
  keep({std::move(key), std::string{id}}, payload);
}

void query_collector::keep(query_place place, std::uint64_t payload) {
  auto before = [this](const query_row& left, const query_row& right) {
    return plan_.before(left.place.key, left.place.id, right.place.key, right.place.id);
  };
  auto& rows = page_.rows;
  if (rows.size() == plan_.limit()) {
    std::pop_heap(rows.begin(), rows.end(), before);
    rows.pop_back();
  }
  rows.push_back({std::move(place), payload, 0});
  std::push_heap(rows.begin(), rows.end(), before);
}

query_page query_collector::take() {
  std::sort_heap(
      page_.rows.begin(), page_.rows.end(), [this](const query_row& left, const query_row& right) {
        return plan_.before(left.place.key, left.place.id, right.place.key, right.place.id);
      });
  return std::exchange(page_, {});
}

query_page merge(const query_plan& plan, std::vector<query_page> parts) {
  // A heap of the parts that have rows left, the one with the first row on top.
  struct cursor {
    std::size_t part;
    std::size_t row;
  };
  std::vector<cursor> heap;
  auto place_of_row = [&](const cursor& at) -> const query_place& {
    return parts[at.part].rows[at.row].place;
  };
  auto behind = [&](const cursor& left, const cursor& right) {
    const auto& a = place_of_row(left);
    const auto& b = place_of_row(right);
    return plan.before(b.key, b.id, a.key, a.id);
  };
  query_page page;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    page.matches += parts[i].matches;
    GEMEL_CHECK(!parts[i].more || !parts[i].rows.empty());
    page.more = page.more || parts[i].more;
    if (!parts[i].rows.empty())
      heap.push_back({i, 0});
  }
  std::make_heap(heap.begin(), heap.end(), behind);
  while (!heap.empty() && page.rows.size() < plan.limit()) {
    std::pop_heap(heap.begin(), heap.end(), behind);
    auto& at = heap.back();
    auto& row = parts[at.part].rows[at.row];
    page.rows.push_back({std::move(row.place), row.payload, at.part});
    if (++at.row < parts[at.part].rows.size())
      std::push_heap(heap.begin(), heap.end(), behind);
    else if (parts[at.part].more)
      break; // what this cell did not send may come before the rows of the others
    else
      heap.pop_back();
  }
  page.more = page.more || !heap.empty();
  if (page.more && !page.rows.empty())
    page.next = plan.token_behind(page.rows.back().place);
  return page;
}

} // namespace gemel
