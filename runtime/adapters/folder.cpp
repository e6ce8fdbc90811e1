#include "runtime/adapters/folder.hpp"

#include <filesystem>
#include <system_error>

namespace gemel {

result<std::map<std::string, std::uint64_t>> files_of(const std::string& folder,
                                                      std::string_view ending) {
  std::map<std::string, std::uint64_t> found;
  std::error_code how;
  std::filesystem::directory_iterator all{folder, how};
  if (how)
    return fail(errc::io_failed, folder + ": " + how.message());
  for (const auto& one : all) {
    auto path = one.path().string();
    if (!path.ends_with(ending) || !one.is_regular_file(how))
      continue;
    auto written = one.last_write_time(how);
    auto size = one.file_size(how);
    constexpr std::uint64_t mix = 0x9e3779b97f4a7c15U;
    found.emplace(std::move(path),
                  static_cast<std::uint64_t>(written.time_since_epoch().count()) * mix + size);
  }
  return found;
}

} // namespace gemel
