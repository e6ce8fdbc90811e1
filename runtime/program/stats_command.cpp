#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/twin_text.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

struct stats_arguments {
  double watch_seconds = 0; // 0: once
};

// Prints the figures again and again, and what became of them since the last time.
class stats_printer {
public:
  stats_printer(const program_context& context, client& link) : context_{context}, link_{link} {}

  result<void> print(bool clears) {
    auto stats = link_.stats();
    if (!stats)
      return tl::unexpected<error>(std::move(stats.error()));
    auto now_ns = clock_.now().steady_ns;
    context_.console.out(text(*stats, static_cast<double>(now_ns - before_ns_) * 1e-9, clears));
    before_ = std::move(*stats);
    before_ns_ = now_ns;
    return context_.console.flush();
  }

private:
  std::string text(const stats_record& stats, double seconds, bool clears) const {
    if (context_.json)
      return stats_json(stats) + "\n";
    const auto* start = clears && context_.console.out_is_terminal() ? "\x1b[H\x1b[J"
                        : before_                                    ? "\n"
                                                                     : "";
    return start + stats_text(stats, before_ ? &*before_ : nullptr, seconds, context_.form());
  }

  const program_context& context_;
  client& link_;
  system_clock_port clock_;
  std::optional<stats_record> before_;
  std::int64_t before_ns_ = 0;
};

int run_stats(const program_context& context, const stats_arguments& asked) {
  std::optional<stop_signals> signals; // before the link's threads
  bool is_watch = asked.watch_seconds > 0;
  if (is_watch)
    signals.emplace();
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  stats_printer printer{context, **link};
  for (;;) {
    if (auto printed = printer.print(is_watch); !printed)
      return refuse(context, printed.error());
    if (!is_watch)
      return exit_ok;
    auto pause = std::chrono::duration<double>{asked.watch_seconds};
    if (auto signal = signals->wait(std::chrono::duration_cast<std::chrono::milliseconds>(pause)))
      return exit_signal + *signal;
  }
}

} // namespace

void add_stats_command(CLI::App& root, program_context& context) {
  auto asked = std::make_shared<stats_arguments>();
  auto* command = root.add_subcommand("stats", "Print a node's counters and latencies");
  command->add_option("--watch", asked->watch_seconds, "Again every so many seconds, with rates")
      ->check(CLI::Range(0.1, 86'400.0))
      ->type_name("SECONDS");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel stats\n"
                  "  gemel stats --watch 2\n"
                  "  gemel stats --json");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_stats(context, *asked); };
  });
}

} // namespace gemel
