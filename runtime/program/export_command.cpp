#include "runtime/adapters/file_stream.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/bulk_reader.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/pages.hpp"
#include "runtime/program/units.hpp"
#include "runtime/twin_export.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <set>

namespace gemel {

namespace {

struct export_arguments {
  query_request asked;
  std::string format;
  std::string file;
};

// A wider table is no table; such twins go well as JSON lines.
constexpr std::size_t columns_max = 10'000;

class export_run {
public:
  export_run(const program_context& context, const export_arguments& what)
      : context_{context}, what_{what} {}

  int run() {
    auto link = open_link(context_);
    if (!link)
      return refuse(context_, link.error());
    if (!what_.file.empty() && what_.file != "-") {
      auto file = output_file::create(what_.file);
      if (!file)
        return refuse(context_, file.error());
      file_.emplace(std::move(*file));
    }
    bool is_csv = what_.format.empty() ? what_.file.ends_with(".csv") : what_.format == "csv";
    auto done = is_csv ? write_csv(**link) : write_lines(**link);
    if (done && file_)
      done = file_->flush();
    if (!done)
      return refuse(context_, done.error(), expressions());
    if (file_)
      context_.console.err("gemel: exported " + grouped(count_) + (count_ == 1 ? " twin" : " twins")
                           + " to " + what_.file + "\n");
    return exit_ok;
  }

private:
  std::vector<asked_expression> expressions() const {
    std::vector<asked_expression> made{{"where", what_.asked.where}};
    for (std::size_t i = 0; i < what_.asked.select.size(); ++i)
      made.push_back({"select[" + std::to_string(i) + "]", what_.asked.select[i]});
    return made;
  }

  bool is_twin() const { return what_.asked.select.empty(); }

  bool write(const std::string& text) {
    if (!file_) {
      context_.console.out(text);
      return true;
    }
    written_ = file_->write(text);
    return written_.has_value();
  }

  template <class Text>
  result<void> write_all(twin_api& link, Text text_of) {
    auto more = read_pages(link, what_.asked, 0, [&](auto page) {
      std::string text;
      for (const auto& twin : page)
        if (!is_twin() || lies_under(twin, what_.asked.ancestor)) {
          text += text_of(twin);
          ++count_;
        }
      return write(text);
    });
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    return written_;
  }

  result<void> write_lines(twin_api& link) {
    return write_all(link, [this](const twin_record& twin) {
      return is_twin() ? twin_line(twin) : selected_line(twin);
    });
  }

  // Two passes: the header must name all properties before the first row is written.
  result<void> write_csv(twin_api& link) {
    auto keys = what_.asked.select;
    if (is_twin()) {
      auto found = find_keys(link);
      if (!found)
        return tl::unexpected<error>(std::move(found.error()));
      keys = std::move(*found);
    }
    csv_writer writer{std::move(keys), is_twin()};
    if (!write(writer.header()))
      return written_;
    return write_all(link, [&](const twin_record& twin) { return writer.row(twin); });
  }

  result<std::vector<std::string>> find_keys(twin_api& link) const {
    std::vector<std::string> keys; // in the order of their first appearance
    std::set<std::string> known;
    auto more = read_pages(link, what_.asked, 0, [&](auto page) {
      for (const auto& twin : page)
        for (const auto& one : twin.properties)
          if (known.insert(one.key).second)
            keys.push_back(one.key);
      return keys.size() <= columns_max;
    });
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (keys.size() > columns_max)
      return fail(errc::limit_reached, "more than " + std::to_string(columns_max)
                                           + " different properties; use --select, or --format "
                                             "ndjson");
    return keys;
  }

  const program_context& context_;
  const export_arguments& what_;
  std::optional<output_file> file_;
  result<void> written_;
  std::uint64_t count_ = 0;
};

} // namespace

void add_export_command(CLI::App& bulk, program_context& context) {
  auto what = std::make_shared<export_arguments>();
  auto* command = bulk.add_subcommand("export", "Write twins in a form that create reads back");
  command->add_option("--where", what->asked.where, "Only twins for which this holds")
      ->type_name("EXPR");
  command->add_option("--type", what->asked.type, "Only twins of this type")->type_name("TYPE");
  command->add_option("--parent", what->asked.parent, "Only children of this twin")
      ->type_name("ID");
  command->add_option("--under", what->asked.ancestor, "Only twins below this one, at any depth")
      ->type_name("ID");
  command->add_option("--select", what->asked.select, "An expression to write; repeatable")
      ->allow_extra_args(false)
      ->type_name("EXPR");
  command->add_option("--format", what->format, "Else by the file's name, else ndjson")
      ->check(CLI::IsMember({"ndjson", "csv"}).description(""))
      ->type_name("ndjson|csv");
  command->add_option("-o,--output", what->file, "Where to; else the standard output")
      ->type_name("FILE");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel bulk export >twins.jsonl\n"
                  "  gemel bulk export --type machine --where \"temperature > 85\" -o hot.csv");
  command->callback([&context, what] {
    context.action = [&context, what] { return export_run{context, *what}.run(); };
  });
}

} // namespace gemel
