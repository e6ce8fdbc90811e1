#include "workflows/functions.hpp"

#include "workflows/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace gemel {

namespace {

value number(double content) {
  return value{content};
}

value number(std::size_t content) {
  return value{static_cast<std::int64_t>(content)};
}

value or_null(std::optional<double> content) {
  return content ? value{*content} : value{};
}

// ---- what functions read

std::optional<std::vector<double>> numbers_of(const value* list) {
  if (list == nullptr || !list->is_list())
    return std::nullopt;
  std::vector<double> made;
  for (const auto& one : list->as_list()) {
    auto point = one.number();
    if (!point || !std::isfinite(*point))
      return std::nullopt;
    made.push_back(*point);
  }
  return made;
}

// A list of numbers: the parameter `values`, or the twin's property that `property` names.
result<std::vector<double>> series_of(const function_input& from) {
  const auto* source = from.parameter("values");
  std::string where = "the parameter 'values'";
  if (const auto* property = from.parameter("property");
      source == nullptr && property != nullptr && property->is_text()) {
    const auto* held = from.twin.find("properties");
    source = held != nullptr ? held->find(property->as_text()) : nullptr;
    where = "the property '" + std::string{property->as_text()} + "'";
  }
  auto made = numbers_of(source);
  if (!made || made->empty())
    return fail(errc::bad_value, where + " must be a list of finite numbers, and not empty");
  return std::move(*made);
}

// The parameter `times`, else 0, 1, 2...
result<std::vector<double>> times_of(const function_input& from, std::size_t count) {
  const auto* times = from.parameter("times");
  if (times == nullptr) {
    std::vector<double> made(count);
    for (std::size_t i = 0; i < count; ++i)
      made[i] = static_cast<double>(i);
    return made;
  }
  auto made = numbers_of(times);
  if (!made || made->size() != count)
    return fail(errc::bad_value, "'times' must be as many numbers as there are values");
  return std::move(*made);
}

result<double> number_of(const function_input& from, std::string_view key,
                         std::optional<double> otherwise = std::nullopt) {
  const auto* found = from.parameter(key);
  if (found == nullptr && otherwise)
    return *otherwise;
  auto made = found != nullptr ? found->number() : std::nullopt;
  if (!made || !std::isfinite(*made))
    return fail(errc::bad_value, "the parameter '" + std::string{key} + "' must be a number");
  return *made;
}

error too_few(std::string_view what) {
  return {errc::bad_value, "too few points, or all alike, for " + std::string{what}};
}

// ---- the functions

result<value> trend(const function_input& from) {
  auto y = series_of(from);
  if (!y)
    return tl::unexpected<error>(y.error());
  auto x = times_of(from, y->size());
  if (!x)
    return tl::unexpected<error>(x.error());
  auto fit = fit_line(*x, *y);
  if (!fit)
    return tl::unexpected<error>(too_few("a trend"));
  return value{value_map{{"slope", number(fit->slope)},
                         {"intercept", number(fit->intercept)},
                         {"r_squared", number(fit->r_squared)},
                         {"slope_error", number(fit->slope_error)}}};
}

result<value> describe(const function_input& from) {
  auto series = series_of(from);
  if (!series)
    return tl::unexpected<error>(series.error());
  auto made = summarize(*series);
  return value{value_map{{"count", number(made->count)},
                         {"sum", number(made->sum)},
                         {"mean", number(made->mean)},
                         {"min", number(made->min)},
                         {"max", number(made->max)},
                         {"stddev", number(made->stddev)},
                         {"p50", or_null(percentile(*series, 50))},
                         {"p95", or_null(percentile(*series, 95))}}};
}

result<value> z_score(const function_input& from) {
  auto series = series_of(from);
  if (!series)
    return tl::unexpected<error>(series.error());
  auto score = last_z_score(*series);
  if (!score)
    return tl::unexpected<error>(too_few("a z-score"));
  return value{value_map{{"z", number(*score)}, {"value", number(series->back())}}};
}

result<value> smooth(const function_input& from) {
  auto series = series_of(from);
  if (!series)
    return tl::unexpected<error>(series.error());
  auto alpha = number_of(from, "alpha", 0.3);
  if (!alpha)
    return tl::unexpected<error>(alpha.error());
  if (!(*alpha > 0 && *alpha <= 1))
    return fail(errc::bad_value, "'alpha' must be above 0 and at most 1");
  value_list points;
  for (auto point : ewma(*series, *alpha))
    points.push_back(number(point));
  auto last = points.back();
  return value{value_map{{"last", last}, {"values", value{std::move(points)}}}};
}

result<value> detect_shift(const function_input& from) {
  auto series = series_of(from);
  if (!series)
    return tl::unexpected<error>(series.error());
  auto known = summarize(*series);
  auto target = number_of(from, "target", known->mean);
  auto slack = number_of(from, "slack", known->stddev / 2);
  auto threshold = number_of(from, "threshold", known->stddev * 5);
  for (const auto* one : {&target, &slack, &threshold})
    if (!*one)
      return tl::unexpected<error>(one->error());
  auto made = cusum(*series, *target, *slack, *threshold);
  return value{value_map{{"alarm", value{made.alarm.has_value()}},
                         {"at", made.alarm ? number(*made.alarm) : value{}},
                         {"high", number(made.high)},
                         {"low", number(made.low)}}};
}

result<value> fft_peak(const function_input& from) {
  auto series = series_of(from);
  if (!series)
    return tl::unexpected<error>(series.error());
  auto rate = number_of(from, "sample_rate", 1);
  if (!rate)
    return tl::unexpected<error>(rate.error());
  auto made = find_peak(*series, *rate);
  if (!made)
    return tl::unexpected<error>(too_few("a spectrum"));
  return value{value_map{{"frequency", number(made->frequency)},
                         {"amplitude", number(made->amplitude)},
                         {"share", number(made->share)}}};
}

result<value> linear_forecast(const function_input& from) {
  auto y = series_of(from);
  if (!y)
    return tl::unexpected<error>(y.error());
  auto x = times_of(from, y->size());
  auto ahead = number_of(from, "ahead", 1);
  if (!x || !ahead)
    return tl::unexpected<error>(!x ? x.error() : ahead.error());
  auto fit = fit_line(*x, *y);
  if (!fit)
    return tl::unexpected<error>(too_few("a forecast"));
  return value{value_map{{"value", number(fit->intercept + fit->slope * (x->back() + *ahead))},
                         {"slope", number(fit->slope)},
                         {"r_squared", number(fit->r_squared)}}};
}

result<value> remaining_useful_life(const function_input& from) {
  auto y = series_of(from);
  if (!y)
    return tl::unexpected<error>(y.error());
  auto x = times_of(from, y->size());
  auto threshold = number_of(from, "threshold");
  if (!x || !threshold)
    return tl::unexpected<error>(!x ? x.error() : threshold.error());
  if (!fit_line(*x, *y))
    return tl::unexpected<error>(too_few("a degradation"));
  auto made = time_to_threshold(*x, *y, *threshold);
  if (!made)
    return value{value_map{{"degrading", value{false}}}};
  return value{value_map{{"degrading", value{true}},
                         {"expected", number(made->expected)},
                         {"earliest", number(made->earliest)},
                         {"latest", or_null(made->latest)},
                         {"r_squared", number(made->r_squared)}}};
}

// ---- pattern_analysis

struct named_numbers {
  std::vector<std::string> names;
  std::vector<double> numbers;
};

void take_values(const value* map, named_numbers& into) {
  if (map == nullptr || !map->is_map())
    return;
  for (const auto& member : map->as_map()) {
    auto content = member.content.number();
    if (!content || !std::isfinite(*content))
      continue;
    into.names.push_back(member.key);
    into.numbers.push_back(*content);
  }
}

// The values by twin: the parameter `values`, else what the steps before collected.
named_numbers collected_values(const function_input& from) {
  named_numbers made;
  take_values(from.parameter("values"), made);
  if (made.numbers.empty() && from.inputs.is_map())
    for (const auto& step : from.inputs.as_map())
      take_values(step.content.find("values"), made);
  return made;
}

// Which of many like things are too warm: above a limit, or far from the rest. The score is the
// modified z-score, which a few hot ones do not spoil as they do a standard deviation.
result<value> thermal_analysis(const function_input& from) {
  auto points = collected_values(from);
  if (points.numbers.empty())
    return fail(errc::bad_value, "there are no temperatures: let the step depend on one that "
                                 "collects them, or give them as the parameter 'values'");
  auto limit = number_of(from, "limit", 85);
  // Iglewicz and Hoaglin's recommendation.
  auto score_max = number_of(from, "score", 3.5);
  if (!limit || !score_max)
    return tl::unexpected<error>(!limit ? limit.error() : score_max.error());
  auto scores = modified_z_scores(points.numbers);
  value_list over;
  value_list unusual;
  for (std::size_t i = 0; i < points.numbers.size(); ++i) {
    if (points.numbers[i] <= *limit && std::abs(scores[i]) <= *score_max)
      continue;
    value one{value_map{{"id", value{points.names[i]}},
                        {"temperature", number(points.numbers[i])},
                        {"score", number(scores[i])}}};
    if (points.numbers[i] > *limit)
      over.push_back(one);
    if (std::abs(scores[i]) > *score_max)
      unusual.push_back(one);
  }
  auto known = summarize(points.numbers);
  const char* verdict = !over.empty() ? "overheating" : !unusual.empty() ? "hot_spots" : "normal";
  return value{value_map{{"algorithm", value{"thermal_analysis"}},
                         {"verdict", value{verdict}},
                         {"count", number(known->count)},
                         {"mean", number(known->mean)},
                         {"stddev", number(known->stddev)},
                         {"max", number(known->max)},
                         {"p95", or_null(percentile(points.numbers, 95))},
                         {"over_limit", value{std::move(over)}},
                         {"unusual", value{std::move(unusual)}}}};
}

result<value> pattern_analysis(const function_input& from) {
  const auto* algorithm = from.parameter("algorithm");
  if (algorithm == nullptr || (algorithm->is_text() && algorithm->as_text() == "thermal_analysis"))
    return thermal_analysis(from);
  return fail(errc::bad_value, "the parameter 'algorithm' must be 'thermal_analysis'");
}

// ---- aggregates

struct gathered {
  std::vector<std::string> ids;
  std::vector<value> values;
  value_map errors;
};

value why(std::string_view code, std::string_view message) {
  return value{value_map{{"error", value{code}}, {"message", value{message}}}};
}

gathered gather(std::span<const twin_input> twins, std::string_view property) {
  gathered made;
  for (const auto& one : twins) {
    if (one.twin.is_null()) {
      made.errors.push_back({one.id, why("twin_not_found", one.id)});
      continue;
    }
    const auto* held = one.twin.find("properties");
    const auto* content = held != nullptr ? held->find(property) : nullptr;
    if (content == nullptr) {
      made.errors.push_back({one.id, why("missing_property", property)});
      continue;
    }
    made.ids.push_back(one.id);
    made.values.push_back(*content);
  }
  return made;
}

std::vector<double> finite_numbers(const gathered& from) {
  std::vector<double> made;
  for (const auto& one : from.values)
    if (auto content = one.number(); content && std::isfinite(*content))
      made.push_back(*content);
  return made;
}

void add_summary(value_map& into, const gathered& from) {
  auto known = summarize(finite_numbers(from));
  into.push_back({"count", number(from.values.size())});
  if (!known)
    return;
  into.push_back({"sum", number(known->sum)});
  into.push_back({"avg", number(known->mean)});
  into.push_back({"min", number(known->min)});
  into.push_back({"max", number(known->max)});
}

value collect_property(const gathered& from) {
  value_map by_id;
  for (std::size_t i = 0; i < from.ids.size(); ++i)
    by_id.push_back({from.ids[i], from.values[i]});
  value_map made{{"values", value{std::move(by_id)}}, {"errors", value{from.errors}}};
  add_summary(made, from);
  return value{std::move(made)};
}

// The twins by the value of the parameter `by`, each group with a summary of `property`.
result<value> group_by(std::span<const twin_input> twins, std::string_view property,
                       const value* by) {
  if (by == nullptr || !by->is_text())
    return fail(errc::bad_value, "group_by needs the parameter 'by', the key of a property");
  std::map<std::string, std::vector<twin_input>> groups;
  value_map errors;
  for (const auto& one : twins) {
    const auto* held = one.twin.find("properties");
    const auto* content = held != nullptr ? held->find(by->as_text()) : nullptr;
    if (content == nullptr)
      errors.push_back({one.id, one.twin.is_null() ? why("twin_not_found", one.id)
                                                   : why("missing_property", by->as_text())});
    else
      groups[to_string(*content)].push_back(one);
  }
  value_map made;
  for (const auto& [key, members] : groups) {
    auto within = gather(members, property);
    value_map group;
    add_summary(group, within);
    group.push_back({"twins", number(members.size())});
    made.push_back({key, value{std::move(group)}});
  }
  return value{value_map{{"groups", value{std::move(made)}}, {"errors", value{errors}}}};
}

std::optional<double> one_number(std::string_view function, const std::vector<double>& numbers,
                                 const value* percent) {
  auto known = summarize(numbers);
  if (!known)
    return std::nullopt;
  if (function == "sum")
    return known->sum;
  if (function == "avg")
    return known->mean;
  if (function == "min")
    return known->min;
  if (function == "max")
    return known->max;
  if (function == "stddev")
    return known->stddev;
  return percentile(numbers, percent != nullptr ? percent->number().value_or(-1) : -1);
}

} // namespace

result<value> aggregate(std::string_view function, std::span<const twin_input> twins,
                        const value& parameters) {
  const auto* property = parameters.find("property");
  if (function == "count" && property == nullptr) {
    auto found = std::count_if(twins.begin(), twins.end(),
                               [](const twin_input& one) { return !one.twin.is_null(); });
    return value{value_map{{"value", value{static_cast<std::int64_t>(found)}}}};
  }
  if (property == nullptr || !property->is_text())
    return fail(errc::bad_value, "the parameter 'property' must be the key of a property");
  auto key = property->as_text();
  if (function == "group_by")
    return group_by(twins, key, parameters.find("by"));
  auto from = gather(twins, key);
  if (function == "collect_property")
    return collect_property(from);
  constexpr std::string_view known[] = {"count", "sum",    "avg",       "min",
                                        "max",   "stddev", "percentile"};
  if (std::find(std::begin(known), std::end(known), function) == std::end(known))
    return fail(errc::bad_value, "unknown aggregate '" + std::string{function} + "'");
  auto numbers = finite_numbers(from);
  const auto* percent = parameters.find("percent");
  if (function == "percentile"
      && !percentile({0}, percent != nullptr ? percent->number().value_or(-1) : -1))
    return fail(errc::bad_value, "percentile needs the parameter 'percent', 0 to 100");
  auto made = function == "count" ? number(from.values.size())
                                  : or_null(one_number(function, numbers, percent));
  return value{value_map{
      {"value", made}, {"count", number(numbers.size())}, {"errors", value{from.errors}}}};
}

function_library function_library::standard() {
  function_library made;
  const std::string series = " of 'values', or of the twin's list 'property'";
  const function_info all[] = {
      {"pattern_analysis",
       "which of many like things stand out; algorithm 'thermal_analysis': temperatures collected "
       "by a step before (or 'values' by id) above 'limit' (85) or with a modified z-score above "
       "'score' (3.5)",
       pattern_analysis},
      {"describe", "count, sum, mean, min, max, stddev, p50, p95" + series, describe},
      {"trend", "line by least squares" + series + ", at 'times' if given", trend},
      {"z_score", "how unusual the last point is" + series, z_score},
      {"ewma", "exponentially weighted moving average" + series + "; 'alpha' (0.3)", smooth},
      {"cusum",
       "cumulative sum control chart" + series
           + "; 'target' (mean), 'slack' (half a standard "
             "deviation), 'threshold' (five of them)",
       detect_shift},
      {"fft_peak", "the strongest oscillation" + series + "; 'sample_rate' (1)", fft_peak},
      {"linear_forecast", "the value 'ahead' (1) of the last time, by a line" + series,
       linear_forecast},
      {"remaining_useful_life", "time until 'threshold' is reached, by a line" + series,
       remaining_useful_life},
  };
  for (const auto& one : all)
    GEMEL_CHECK(made.add(one).has_value());
  return made;
}

result<void> function_library::add(function_info made) {
  auto name = made.name;
  if (!functions_.emplace(name, std::make_shared<const function_info>(std::move(made))).second)
    return fail(errc::bad_value, "there is a function '" + name + "' already");
  return {};
}

result<void> function_library::replace(function_info made) {
  auto name = made.name;
  auto known = functions_.find(name);
  if (known != functions_.end() && known->second->source != made.source)
    return fail(
        errc::bad_value,
        "there is a function '" + name + "' already, "
            + (known->second->source.empty() ? "a native one" : "from " + known->second->source));
  functions_[name] = std::make_shared<const function_info>(std::move(made));
  return {};
}

void function_library::remove(std::string_view name) {
  if (auto known = functions_.find(name); known != functions_.end())
    functions_.erase(known);
}

const function_info* function_library::find(std::string_view name) const noexcept {
  auto found = functions_.find(name);
  return found != functions_.end() ? found->second.get() : nullptr;
}

std::shared_ptr<const function_info> function_library::share(std::string_view name) const {
  auto found = functions_.find(name);
  return found != functions_.end() ? found->second : nullptr;
}

std::vector<std::string> function_library::names() const {
  std::vector<std::string> made;
  for (const auto& [name, about] : functions_)
    made.push_back(name);
  return made;
}

} // namespace gemel
