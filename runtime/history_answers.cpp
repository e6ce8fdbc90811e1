#include "runtime/history_answers.hpp"

#include <algorithm>
#include <charconv>

namespace gemel {

namespace {

// Reads arguments; the first fault stays.
class argument_reader {
public:
  explicit argument_reader(const value& from) : from_{from} {}

  const value* find(std::string_view key) const {
    const auto* found = from_.find(key);
    return found != nullptr && !found->is_null() ? found : nullptr;
  }
  std::string text(std::string_view key) {
    const auto* found = find(key);
    if (found == nullptr || !found->is_text())
      return refuse("'" + std::string{key} + "' is missing, or no text"), std::string{};
    return std::string{found->as_text()};
  }
  std::int64_t integer(std::string_view key, std::int64_t otherwise) {
    const auto* found = find(key);
    if (found != nullptr && !found->is_integer())
      refuse("'" + std::string{key} + "' is no integer");
    return found != nullptr && found->is_integer() ? found->as_integer() : otherwise;
  }
  std::size_t size(std::string_view key, std::size_t otherwise) {
    auto number = integer(key, static_cast<std::int64_t>(otherwise));
    if (number < 0)
      refuse("'" + std::string{key} + "' is negative");
    return number < 0 ? 0 : static_cast<std::size_t>(number);
  }
  void refuse(std::string why) {
    if (!wrong_)
      wrong_ = error{errc::bad_value, std::move(why)};
  }
  const std::optional<error>& wrong() const { return wrong_; }

private:
  const value& from_;
  std::optional<error> wrong_;
};

void read_ids(argument_reader& in, history_question& made) {
  const auto* ids = in.find("ids");
  if (ids == nullptr) {
    made.ids.push_back(in.text("id"));
    return;
  }
  made.is_by_id = true;
  if (!ids->is_list() || ids->as_list().size() > history_ids_max)
    return in.refuse("'ids' is no list of at most " + std::to_string(history_ids_max) + " texts");
  for (const auto& one : ids->as_list()) {
    if (!one.is_text())
      return in.refuse("'ids' holds something that is no text");
    made.ids.emplace_back(one.as_text());
  }
}

std::string to_text(const series_position& at) {
  return std::to_string(at.time_us) + ":" + std::to_string(at.skip);
}

std::optional<series_position> position_of(std::string_view text) {
  series_position made;
  const auto* end = text.data() + text.size();
  auto time = std::from_chars(text.data(), end, made.time_us);
  if (time.ec != std::errc{} || time.ptr == end || *time.ptr != ':')
    return std::nullopt;
  auto skip = std::from_chars(time.ptr + 1, end, made.skip);
  if (skip.ec != std::errc{} || skip.ptr != end || made.skip > history_points_max)
    return std::nullopt;
  return made;
}

void read_range(argument_reader& in, history_question& made) {
  made.property = in.text("property");
  made.count = std::clamp<std::size_t>(in.size("count", history_rows_max), 1, history_rows_max);
  made.last = in.size("last", 0);
  if (in.find("next") == nullptr)
    return;
  made.position = position_of(in.text("next"));
  if (!made.position)
    in.refuse("'next' is none that was answered");
}

void read_aggregate(argument_reader& in, history_question& made) {
  made.property = in.text("property");
  made.count = std::clamp<std::size_t>(in.size("count", history_rows_max), 1, history_rows_max);
  auto& wanted = made.aggregate;
  wanted.from_us = made.from_us;
  wanted.to_us = made.to_us;
  wanted.interval_us = in.integer("every", 0);
  auto function = sample_function_from_string(in.text("function"));
  if (!function)
    return in.refuse(function.error().context);
  wanted.function = *function;
  if (const auto* percent = in.find("percent"))
    wanted.percent = percent->number().value_or(-1);
}

value point_value(const series_point& one) {
  return value{
      value_list{value{one.time_us}, one.content, value{static_cast<std::int64_t>(one.version)}}};
}

std::size_t bytes_of(const value& content) {
  constexpr std::size_t each = 64;
  return each + content.heap_bytes();
}

error too_large() {
  return {errc::limit_reached, "the answer has more than "
                                   + std::to_string(history_answer_bytes_max)
                                   + " bytes: ask for fewer twins"};
}

// As many of the page's points as fit an answer, at least one.
void cut_to_bytes(series_page& page, const history_question& asked) {
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (
      count < page.points.size()
      && (count == 0 || bytes + bytes_of(page.points[count].content) <= history_answer_bytes_max))
    bytes += bytes_of(page.points[count++].content);
  if (count == page.points.size())
    return;
  auto time = page.points[count].time_us;
  page.points.resize(count);
  auto before = static_cast<std::uint64_t>(
      std::count_if(page.points.begin(), page.points.end(),
                    [&](const series_point& one) { return one.time_us == time; }));
  if (asked.position && asked.position->time_us == time)
    before += asked.position->skip;
  page.next = series_position{time, before};
}

result<value> answer_range(history_question asked, const history_reader& from) {
  if (asked.last > 0 && !asked.position) {
    auto begin = from.last(asked.ids[0], asked.property, asked.from_us, asked.to_us, asked.last);
    if (!begin)
      return tl::unexpected<error>(std::move(begin.error()));
    if (!*begin)
      return value{value_map{{"points", value{value_list{}}}}};
    asked.position = **begin;
  }
  auto page = from.range(asked.ids[0], asked.property, asked.from_us, asked.to_us, asked.count,
                         asked.position);
  if (!page)
    return tl::unexpected<error>(std::move(page.error()));
  cut_to_bytes(*page, asked);
  value_list points;
  for (const auto& one : page->points)
    points.push_back(point_value(one));
  value_map made{{"points", value{std::move(points)}}};
  if (page->next)
    made.push_back({"next", value{to_text(*page->next)}});
  return value{std::move(made)};
}

result<value> answer_aggregate(const history_question& asked, const history_reader& from) {
  auto page = from.aggregate(asked.ids[0], asked.property, asked.aggregate, asked.count);
  if (!page)
    return tl::unexpected<error>(std::move(page.error()));
  value_list rows;
  for (const auto& one : page->rows)
    rows.push_back(value{value_list{value{one.from_us}, value{one.count},
                                    one.number ? value{*one.number} : value{}}});
  value_map made{{"rows", value{std::move(rows)}}};
  if (page->next_us)
    made.push_back({"next", value{*page->next_us}});
  return value{std::move(made)};
}

result<value> state_of(const history_question& asked, const history_reader& from,
                       const std::string& id) {
  auto found = from.state_at(id, asked.when);
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  value_map made;
  for (const auto& [name, one] : *found)
    if (!one.content.is_null())
      made.push_back({name, point_value(one)});
  return value{std::move(made)};
}

result<value> changes_of(const history_question& asked, const history_reader& from,
                         const std::string& id) {
  auto before = from.state_at(id, {asked.from_us, 0});
  if (!before)
    return tl::unexpected<error>(std::move(before.error()));
  auto then = from.state_at(id, {asked.to_us, 0});
  if (!then)
    return tl::unexpected<error>(std::move(then.error()));
  value_map made;
  for (const auto& [name, one] : *then) {
    auto old = before->find(name);
    auto was = old == before->end() ? value{} : old->second.content;
    if (was != one.content)
      made.push_back({name, value{value_list{was, one.content}}});
  }
  return value{std::move(made)};
}

} // namespace

result<history_question> read_question(const service_call& asked) {
  using kind = history_question::kind;
  constexpr std::string_view names[] = {"range", "aggregate", "state", "changes"};
  const auto* name = std::find(std::begin(names), std::end(names), asked.name);
  if (name == std::end(names))
    return fail(errc::unsupported,
                "history knows range, aggregate, state and changes, not '" + asked.name + "'");
  history_question made;
  made.what = static_cast<kind>(name - std::begin(names));
  argument_reader in{asked.arguments};
  if (made.what == kind::range || made.what == kind::aggregate)
    made.ids.push_back(in.text("id"));
  else
    read_ids(in, made);
  made.from_us = in.integer("from", INT64_MIN);
  made.to_us = in.integer("to", INT64_MAX);
  if (made.what == kind::range)
    read_range(in, made);
  else if (made.what == kind::aggregate)
    read_aggregate(in, made);
  made.when.time_us = in.integer("at", INT64_MAX);
  made.when.version = in.size("version", 0);
  if (made.when.version != 0 && (made.is_by_id || in.find("at") != nullptr))
    in.refuse("'version' is one twin's, and goes without 'at'");
  if (made.what == kind::changes && made.from_us > made.to_us)
    in.refuse("'from' lies behind 'to'");
  if (in.wrong())
    return tl::unexpected<error>(*in.wrong());
  return made;
}

result<value> answer(const history_question& asked, const history_reader& from) {
  using kind = history_question::kind;
  if (asked.what == kind::range)
    return answer_range(asked, from);
  if (asked.what == kind::aggregate)
    return answer_aggregate(asked, from);
  auto one_of = asked.what == kind::state ? &state_of : &changes_of;
  if (!asked.is_by_id)
    return one_of(asked, from, asked.ids[0]);
  value_map made;
  std::size_t bytes = 0;
  for (const auto& id : asked.ids) {
    auto one = one_of(asked, from, id);
    if (!one)
      return one;
    if (one->as_map().empty())
      continue;
    bytes += id.size() + bytes_of(*one);
    if (bytes > history_answer_bytes_max)
      return tl::unexpected<error>(too_large());
    made.push_back({id, *std::move(one)});
  }
  return value{std::move(made)};
}

} // namespace gemel
