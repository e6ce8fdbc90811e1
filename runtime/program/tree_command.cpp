#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/pages.hpp"
#include "runtime/program/tree_text.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

struct tree_arguments {
  std::string id;
  std::size_t depth = limits::hierarchy_depth_max;
  std::uint64_t limit = 100;
};

// Children of one twin, or all roots; the first ones.
struct branch {
  std::vector<twin_record> twins;
  std::uint64_t more = 0;
};

// Reads the hierarchy level by level below each twin; holds at most `limit` twins per level.
class tree_printer {
public:
  tree_printer(const program_context& context, client& link, const tree_arguments& asked)
      : context_{context}, link_{link}, asked_{asked}, lines_{context.console.is_utf8()},
        columns_{context.console.width()} {}

  result<void> print() {
    if (asked_.id.empty()) {
      auto roots = children_of("");
      if (!roots)
        return tl::unexpected<error>(std::move(roots.error()));
      return context_.json ? print_json_roots(*roots) : print_lines(*roots, 0);
    }
    auto top = link_.get(asked_.id);
    if (!top)
      return tl::unexpected<error>(std::move(top.error()));
    if (!context_.json)
      return print_twin(*top, 0, true);
    auto printed = print_json_twin(*top, 0);
    context_.console.out("\n");
    return printed;
  }

private:
  // @param parent empty: the roots.
  result<branch> children_of(const std::string& parent) {
    query_request asked;
    asked.parent = parent;
    asked.roots_only = parent.empty();
    branch made;
    auto more = read_pages(link_, asked, asked_.limit, [&](auto page) {
      made.twins.insert(made.twins.end(), page.begin(), page.end());
      return true;
    });
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      return made;
    return link_.count(asked).map([&](std::uint64_t count) {
      made.more = count > made.twins.size() ? count - made.twins.size() : 0;
      return std::move(made);
    });
  }

  bool goes_below(const twin_record& twin, std::size_t depth) const {
    return twin.has_children && depth + 1 < asked_.depth;
  }

  void print_line(const std::string& line) {
    auto text = line.substr(0, line.size() - 1);
    context_.console.out(
        columns_ == 0 ? line : shortened(text, columns_, context_.console.is_utf8()) + '\n');
  }

  result<void> print_lines(const branch& of, std::size_t depth) {
    for (std::size_t i = 0; i < of.twins.size(); ++i) {
      bool is_last = i + 1 == of.twins.size() && of.more == 0;
      if (auto printed = print_twin(of.twins[i], depth, is_last); !printed)
        return printed;
    }
    if (of.more > 0)
      print_line(lines_.more(of.more, depth));
    return {};
  }

  result<void> print_twin(const twin_record& twin, std::size_t depth, bool is_last) {
    print_line(lines_.twin(twin, depth, is_last));
    if (!goes_below(twin, depth))
      return {};
    auto below = children_of(twin.id);
    if (!below)
      return tl::unexpected<error>(std::move(below.error()));
    return print_lines(*below, depth + 1);
  }

  result<void> print_json_roots(const branch& roots) {
    context_.console.out("{\"roots\":[");
    auto printed = print_json_list(roots, 0);
    context_.console.out("],\"more\":" + std::to_string(roots.more) + "}\n");
    return printed;
  }

  result<void> print_json_list(const branch& of, std::size_t depth) {
    for (std::size_t i = 0; i < of.twins.size(); ++i) {
      if (i > 0)
        context_.console.out(",");
      if (auto printed = print_json_twin(of.twins[i], depth); !printed)
        return printed;
    }
    return {};
  }

  // The twin's own object with its children in it.
  result<void> print_json_twin(const twin_record& twin, std::size_t depth) {
    branch below;
    if (goes_below(twin, depth)) {
      auto found = children_of(twin.id);
      if (!found)
        return tl::unexpected<error>(std::move(found.error()));
      below = std::move(*found);
    }
    auto own = twin_json(twin);
    own.pop_back();
    context_.console.out(own + ",\"children\":[");
    auto printed = print_json_list(below, depth + 1);
    context_.console.out("],\"more\":" + std::to_string(below.more) + "}");
    return printed;
  }

  const program_context& context_;
  client& link_;
  const tree_arguments& asked_;
  tree_lines lines_;
  std::size_t columns_;
};

int run_tree(const program_context& context, const tree_arguments& asked) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  if (auto printed = tree_printer{context, **link, asked}.print(); !printed)
    return refuse(context, printed.error());
  return exit_ok;
}

} // namespace

void add_tree_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<tree_arguments>();
  auto* command = twin.add_subcommand("tree", "Draw the hierarchy of twins");
  command->add_option("ID", asked->id, "Where to begin, an id or path; without one, all roots")
      ->type_name("");
  command->add_option("--depth", asked->depth, "Levels to draw, the first one counted")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->add_option("--limit", asked->limit, "Children to draw of each twin; 100 unless given")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin tree\n"
                  "  gemel twin tree factory-a --depth 2 --limit 20");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_tree(context, *asked); };
  });
}

} // namespace gemel
