#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "registry/value_path.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <random>

using namespace gemel;
using action = path_change::action;

namespace {

value json(std::string_view text) {
  return value_from_json(text).value();
}

value_path path(std::string_view text) {
  auto parsed = parse_value_path(text);
  INFO(text);
  REQUIRE(parsed);
  return std::move(*parsed);
}

// What becomes of the JSON value `before` as JSON; `gone` when it is, `code: context` of a fault.
std::string changed(std::string_view before, std::string_view at, action what,
                    const value& content = {}) {
  auto current = before.empty() ? value{} : json(before);
  auto made = change_inside(before.empty() ? nullptr : &current, path(at), what, content);
  if (!made)
    return to_string(made.error());
  return *made ? to_json(**made) : "gone";
}

// `depth` lists inside each other.
value nested(std::size_t depth) {
  value made{value_list{}};
  while (--depth > 0)
    made = value{value_list{std::move(made)}};
  return made;
}

} // namespace

TEST_CASE("a path is a property and steps into maps and lists", "[unit][registry]") {
  CHECK(path("a") == value_path{"a", {}});
  CHECK(path("limits.high") == value_path{"limits", {"high"}});
  CHECK(path("axes[2].speed") == value_path{"axes", {std::int64_t{2}, "speed"}});
  CHECK(path("log[-1][0]") == value_path{"log", {std::int64_t{-1}, std::int64_t{0}}});
  CHECK(path("\"a.b\".\"two words\"[1]") == value_path{"a.b", {"two words", std::int64_t{1}}});
  CHECK(path("\"say \"\"hi\"\"\"") == value_path{"say \"hi\"", {}});
  CHECK(path("temp-1.größe") == value_path{"temp-1", {"größe"}});
}

TEST_CASE("a faulty path is refused with its place", "[unit][registry]") {
  auto fault = [](std::string_view text) { return to_string(parse_value_path(text).error()); };
  CHECK(fault("") == "bad_syntax: line 1, column 1: expected a property");
  CHECK(fault(".a") == "bad_syntax: line 1, column 1: expected a property");
  CHECK(fault("a.") == "bad_syntax: line 1, column 3: expected the name of a member");
  CHECK(fault("a..b") == "bad_syntax: line 1, column 3: expected the name of a member");
  CHECK(fault("a b") == "bad_syntax: line 1, column 2: expected '.', '[' or the end");
  CHECK(fault("a]") == "bad_syntax: line 1, column 2: expected '.', '[' or the end");
  CHECK(fault("a[") == "bad_syntax: line 1, column 3: expected an index, such as 0 or -1");
  CHECK(fault("a[x]") == "bad_syntax: line 1, column 3: expected an index, such as 0 or -1");
  CHECK(fault("a[+1]") == "bad_syntax: line 1, column 3: expected an index, such as 0 or -1");
  CHECK(fault("a[99999999999999999999]")
        == "bad_syntax: line 1, column 3: expected an index, such as 0 or -1");
  CHECK(fault("ä[1") == "bad_syntax: line 1, column 4: expected ']'");
  CHECK(fault("a[1.0]") == "bad_syntax: line 1, column 4: expected ']'");
  CHECK(fault("\"a") == "bad_syntax: line 1, column 3: expected a closing '\"'");
  CHECK(fault("a\xff") == "bad_syntax: line 1, column 1: a path that is not UTF-8");
  CHECK(parse_value_path("\"\"").error().code == errc::bad_name);
  CHECK(parse_value_path(std::string(limits::key_bytes_max + 1, 'k')).error().code
        == errc::bad_name);
  CHECK(parse_value_path("a." + std::string(limits::key_bytes_max + 1, 'k')).error().code
        == errc::bad_name);
  std::string deep = "a";
  for (std::size_t i = 0; i < limits::value_depth_max; ++i)
    deep += "[0]";
  CHECK(parse_value_path(deep));
  CHECK(parse_value_path(deep + "[0]").error().code == errc::limit_reached);
}

TEST_CASE("numbers add up, integers exactly", "[unit][registry]") {
  auto sum = [](const value& a, const value& b) { return add_numbers(&a, b); };
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  constexpr auto least = std::numeric_limits<std::int64_t>::min();
  CHECK(add_numbers(nullptr, 5).value() == value{5});
  CHECK(add_numbers(nullptr, 0.5).value() == value{0.5});
  CHECK(sum(2, 3).value() == value{5});
  CHECK(sum(2, 0.5).value() == value{2.5});
  CHECK(sum(0.5, 2).value() == value{2.5});
  CHECK(sum(1.0, 1.0).value() == value{2.0});
  CHECK(sum(most, 0).value() == value{most});
  CHECK(sum(most, least).value() == value{-1});
  CHECK(sum(most, 1).error().code == errc::limit_reached);
  CHECK(sum(least, -1).error().code == errc::limit_reached);
  CHECK(sum(most, 1.0).value() == value{9223372036854775808.0});
  CHECK(std::isnan(sum(1, std::nan("")).value().as_real()));
  for (const auto& no_number : {value{}, value{true}, value{"7"}, json("[1]")}) {
    CHECK(sum(no_number, 1).error().code == errc::bad_value);
    CHECK(sum(1, no_number).error().code == errc::bad_value);
    CHECK(add_numbers(nullptr, no_number).error().code == errc::bad_value);
  }
}

TEST_CASE("a change inside makes the maps it needs and leaves the rest", "[unit][registry]") {
  CHECK(changed("", "a", action::set, 1) == "1");
  CHECK(changed("", "a.b.c", action::set, 1) == R"({"b":{"c":1}})");
  CHECK(changed(R"({"x":1})", "a.b.c", action::set, 1) == R"({"b":{"c":1},"x":1})");
  CHECK(changed(R"({"b":{"c":0,"d":[1]}})", "a.b.c", action::set, 1) == R"({"b":{"c":1,"d":[1]}})");
  CHECK(changed("[1,2,3]", "a[1]", action::set, "x") == R"([1,"x",3])");
  CHECK(changed("[1,2,3]", "a[-3]", action::set, 9) == "[9,2,3]");
  CHECK(changed("[[1],{}]", "a[1].k", action::add, 2) == R"([[1],{"k":2}])");
  CHECK(changed("[[1],{}]", "a[0][0]", action::add, 2) == "[[3],{}]");
  CHECK(changed("", "a", action::append, 1) == "[1]");
  CHECK(changed("", "a.log", action::append, "x") == R"({"log":["x"]})");
  CHECK(changed("[1]", "a", action::append, json("[2]")) == "[1,[2]]");
  CHECK(changed("5", "a", action::add, 2) == "7");
}

TEST_CASE("removing what is not there is no fault", "[unit][registry]") {
  CHECK(changed("5", "a", action::unset) == "gone");
  CHECK(changed("", "a", action::unset) == "gone");
  CHECK(changed("", "a.b[3].c", action::unset) == "gone");
  CHECK(changed(R"({"b":1})", "a.b", action::unset) == "{}");
  CHECK(changed(R"({"b":1})", "a.c.d", action::unset) == R"({"b":1})");
  CHECK(changed("[1,2,3]", "a[-2]", action::unset) == "[1,3]");
  CHECK(changed("[1,2,3]", "a[7]", action::unset) == "[1,2,3]");
  CHECK(changed("[1,2,3]", "a[7].b", action::unset) == "[1,2,3]");
}

TEST_CASE("a change that finds something else on its way names the place", "[unit][registry]") {
  CHECK(changed("5", "a.b", action::set, 1) == "bad_value: a: int found, a map is needed");
  CHECK(changed(R"({"b":"x"})", "a.b.c.d", action::set, 1)
        == "bad_value: a.b: text found, a map is needed");
  CHECK(changed(R"({"b":{}})", "a.b[0]", action::set, 1)
        == "bad_value: a.b: map found, a list is needed");
  CHECK(changed(R"({"b c":[1]})", "a.\"b c\"[1]", action::set, 1)
        == "bad_value: a.\"b c\"[1]: there is no such element; the list has 1");
  CHECK(changed("[]", "a[-1]", action::set, 1)
        == "bad_value: a[-1]: there is no such element; the list has 0");
  CHECK(changed("", "a[0]", action::set, 1)
        == "bad_value: a[0]: there is no such element; the list has 0");
  CHECK(changed("5", "a", action::append, 1) == "bad_value: a: int found, a list is needed");
  CHECK(changed(R"({"b":"x"})", "a.b", action::add, 1)
        == "bad_value: a.b: a text takes no number on top");
  CHECK(changed("5", "a.b", action::unset) == "bad_value: a: int found, a map is needed");
}

TEST_CASE("changes inside keep the limits of values", "[unit][registry]") {
  constexpr auto depth = limits::value_depth_max;
  auto list = nested(depth);
  CHECK(change_inside(nullptr, path("a"), action::set, list));
  CHECK(change_inside(nullptr, path("a.b"), action::set, list).error().code == errc::limit_reached);
  CHECK(change_inside(nullptr, path("a.b"), action::set, nested(depth - 1)));
  CHECK(change_inside(nullptr, path("a"), action::append, list).error().code
        == errc::limit_reached);
  CHECK(change_inside(nullptr, path("a"), action::append, nested(depth - 1)));
  std::string deepest = "a";
  for (std::size_t i = 0; i < depth; ++i)
    deepest += ".k";
  auto made = change_inside(nullptr, path(deepest), action::set, 1);
  REQUIRE(made);
  CHECK(check_content(**made));
  CHECK(change_inside(nullptr, path(deepest), action::append, 1).error().code
        == errc::limit_reached);
  value full{value_list(limits::value_elements_max, value{1})};
  CHECK(change_inside(&full, path("a"), action::append, 1).error().code == errc::limit_reached);
  CHECK(change_inside(&full, path("a[-1]"), action::set, 2));
  value_map members;
  for (std::size_t i = 0; i < limits::value_elements_max; ++i)
    members.push_back({std::to_string(i), 1});
  value full_map{std::move(members)};
  CHECK(change_inside(&full_map, path("a.new"), action::set, 1).error().code
        == errc::limit_reached);
  CHECK(change_inside(&full_map, path("a.\"7\""), action::set, 1));
}

// ---- against a model of trees that are changed in place -----------------------------------------

namespace {

struct tree {
  value leaf{};
  std::optional<std::map<std::string, tree>> members{};
  std::optional<std::vector<tree>> elements{};
};

tree tree_of(const value& from) {
  tree made;
  if (from.is_map()) {
    made.members.emplace();
    for (const auto& m : from.as_map())
      made.members->emplace(m.key, tree_of(m.content));
  } else if (from.is_list()) {
    made.elements.emplace();
    for (const auto& e : from.as_list())
      made.elements->push_back(tree_of(e));
  } else {
    made.leaf = from;
  }
  return made;
}

value value_of(const tree& from) {
  if (from.members) {
    value_map made;
    for (const auto& [key, content] : *from.members)
      made.push_back({key, value_of(content)});
    return value{std::move(made)};
  }
  if (from.elements) {
    value_list made;
    for (const auto& content : *from.elements)
      made.push_back(value_of(content));
    return value{std::move(made)};
  }
  return from.leaf;
}

// The twin as a map of its properties; a path is a walk from there. False: refused, and `root` may
// be half changed.
bool naive(tree& root, const value_path& at, action what, const value& content) {
  auto* holder = &root;
  auto steps = at.steps;
  steps.insert(steps.begin(), value_step{at.property});
  for (std::size_t i = 0;; ++i) {
    bool last = i + 1 == steps.size();
    tree* next = nullptr;
    if (auto* key = std::get_if<std::string>(&steps[i])) {
      if (!holder->members)
        return false;
      bool there = holder->members->contains(*key);
      if (what == action::unset && (last || !there)) {
        holder->members->erase(*key);
        return true;
      }
      next = &(*holder->members)[*key];
      if (!there) {
        if (!last && std::holds_alternative<std::string>(steps[i + 1]))
          next->members.emplace();
        else if (!last)
          next->elements.emplace();
        else if (what == action::append)
          next->elements.emplace();
        else if (what == action::add)
          *next = tree_of(content.is_real() ? value{0.0} : value{0});
      }
    } else {
      if (!holder->elements)
        return false;
      auto& list = *holder->elements;
      auto index = std::get<std::int64_t>(steps[i]);
      if (index < 0)
        index += static_cast<std::int64_t>(list.size());
      if (index < 0 || index >= static_cast<std::int64_t>(list.size()))
        return what == action::unset;
      if (what == action::unset && last) {
        list.erase(list.begin() + index);
        return true;
      }
      next = &list[static_cast<std::size_t>(index)];
    }
    if (!last) {
      holder = next;
      continue;
    }
    if (what == action::set) {
      *next = tree_of(content);
    } else if (what == action::append) {
      if (!next->elements)
        return false;
      next->elements->push_back(tree_of(content));
    } else {
      if (next->members || next->elements || !next->leaf.is_number() || !content.is_number())
        return false;
      if (next->leaf.is_integer() && content.is_integer())
        next->leaf = next->leaf.as_integer() + content.as_integer();
      else
        next->leaf = *next->leaf.number() + *content.number();
    }
    return true;
  }
}

class random_values {
public:
  explicit random_values(std::uint64_t seed) : random_{seed} {}

  std::size_t below(std::size_t n) { return random_() % n; }
  std::string name() { return std::string{"abc"[below(3)]}; }

  value content(int depth) {
    switch (below(depth > 0 ? 7 : 5)) {
    case 0:
      return static_cast<std::int64_t>(below(9));
    case 1:
      return 0.5 * static_cast<double>(below(9));
    case 2:
      return name();
    case 3:
      return below(2) == 0;
    case 4:
      return below(3) == 0 ? value{} : value{1};
    case 5: {
      value_map members;
      for (auto i = below(4); i > 0; --i)
        members.push_back({name(), content(depth - 1)});
      return value{std::move(members)};
    }
    default: {
      value_list elements;
      for (auto i = below(4); i > 0; --i)
        elements.push_back(content(depth - 1));
      return value{std::move(elements)};
    }
    }
  }

  value_path path() {
    value_path made{name(), {}};
    for (auto i = below(4); i > 0; --i)
      if (below(3) > 0)
        made.steps.emplace_back(name());
      else
        made.steps.emplace_back(static_cast<std::int64_t>(below(5)) - 2);
    return made;
  }

private:
  std::mt19937_64 random_;
};

} // namespace

TEST_CASE("random changes inside leave what the model has", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  random_values random{seed};
  std::size_t refused = 0;
  std::size_t done = 0;
  std::map<std::string, value> twin;
  tree model;
  model.members.emplace();
  for (int round = 0; round < 30'000; ++round) {
    auto at = random.path();
    auto what = static_cast<action>(random.below(4));
    auto content = random.content(2);
    auto current = twin.find(at.property);
    auto before = current != twin.end() ? std::optional{current->second} : std::nullopt;
    auto spelled = before ? to_json(*before) : std::string{};
    auto made = change_inside(before ? &*before : nullptr, at, what, content);
    auto copy = model;
    auto fine = naive(copy, at, what, content);
    INFO("round " << round << ", " << to_string(at) << " of " << spelled << ", action "
                  << static_cast<int>(what) << " " << to_json(content));
    REQUIRE(made.has_value() == fine);
    if (before)
      REQUIRE(to_json(*before) == spelled); // Values never change.
    if (!fine) {
      ++refused;
      continue;
    }
    ++done;
    model = std::move(copy);
    twin.erase(at.property);
    if (*made)
      twin.emplace(at.property, **made);
    value_map all;
    for (const auto& [key, one] : twin)
      all.push_back({key, one});
    REQUIRE(to_json(value{std::move(all)}) == to_json(value_of(model)));
    if (random.below(200) == 0) {
      twin.clear();
      model.members.emplace();
    }
  }
  CHECK(refused > 1'000);
  CHECK(done > 1'000);
}

TEST_CASE("a path reads back as it was written", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  constexpr std::string_view letters = "ab.[]\" \"-9";
  auto name = [&] {
    std::string made;
    for (auto i = 1 + random() % 5; i > 0; --i)
      made += letters[random() % letters.size()];
    return made;
  };
  for (int round = 0; round < 2'000; ++round) {
    value_path one{name(), {}};
    for (auto i = random() % 4; i > 0; --i)
      if (random() % 2 == 0)
        one.steps.emplace_back(name());
      else
        one.steps.emplace_back(static_cast<std::int64_t>(random() % 1'000) - 500);
    INFO(to_string(one));
    REQUIRE(path(to_string(one)) == one);
  }
}
