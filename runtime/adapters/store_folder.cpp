#include "runtime/adapters/store_folder.hpp"

#include "messages/packed.hpp"
#include "runtime/store/store_keys.hpp"
#include "runtime/store/write_ahead_scan.hpp"

#include <algorithm>
#include <charconv>

namespace gemel {

namespace {

constexpr std::string_view format_line = "gemel store, format ";
constexpr const char* format_file = "FORMAT";
constexpr const char* closed_file = "CLOSED";
constexpr const char* ballast_file = "ballast";
constexpr std::size_t small_file_bytes_max = 4'096;
constexpr std::size_t ballast_step = std::size_t{1} << 20;

error io_error(const rocksdb::IOStatus& status, const std::string& what) {
  return {status.IsNoSpace() ? errc::store_full : errc::io_failed, what + ": " + status.ToString()};
}

result<void> said(const rocksdb::IOStatus& status, const std::string& what) {
  if (!status.ok())
    return tl::unexpected(io_error(status, what));
  return {};
}

// The number after the words, up to the end of the line.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view words) {
  if (!text.starts_with(words) || !text.ends_with('\n'))
    return std::nullopt;
  text.remove_prefix(words.size());
  text.remove_suffix(1);
  std::uint64_t number = 0;
  auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return number;
}

} // namespace

store_folder::store_folder(std::string path, std::shared_ptr<rocksdb::FileSystem> files)
    : path_{std::move(path)}, files_{files ? std::move(files) : rocksdb::FileSystem::Default()} {
}

bool store_folder::exists() const {
  return files_->FileExists(path_ + "/" + format_file, {}, nullptr).ok();
}

result<void> store_folder::create() {
  if (auto made = said(files_->CreateDirIfMissing(path_, {}, nullptr), path_); !made)
    return made;
  for (const auto& below : {database(), incoming()})
    if (auto made = said(files_->CreateDirIfMissing(below, {}, nullptr), below); !made)
      return made;
  if (exists())
    return {};
  return write(format_file, std::string{format_line} + std::to_string(store::format) + "\n");
}

result<void> store_folder::check_format() const {
  auto text = read(format_file);
  if (!text)
    return fail(errc::io_failed, path_ + ": there is no store here (no file FORMAT)");
  auto number = number_after(*text, format_line);
  if (!number || *number == 0)
    return fail(errc::store_corrupt, path_ + "/FORMAT: it does not name a store's format");
  if (*number > store::format)
    return fail(errc::incompatible, path_ + ": the store has format " + std::to_string(*number)
                                        + ", this program knows up to "
                                        + std::to_string(store::format) + "; use a newer gemel");
  return {};
}

result<void> store_folder::check_write_ahead() const {
  std::vector<std::string> names;
  if (!files_->GetChildren(database(), {}, &names, nullptr).ok())
    return {}; // opening says it better
  for (const auto& name : names)
    if (name.ends_with(".log"))
      if (auto sound = check_write_ahead(database() + "/" + name); !sound)
        return sound;
  return {};
}

result<void> store_folder::check_write_ahead(const std::string& name) const {
  std::uint64_t size = 0;
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  auto done = files_->GetFileSize(name, {}, &size, nullptr);
  if (done.ok())
    done = files_->NewSequentialFile(name, {}, &file, nullptr);
  std::string bytes(size, '\0');
  rocksdb::Slice got;
  if (done.ok())
    done = file->Read(bytes.size(), {}, &got, bytes.data(), nullptr);
  if (!done.ok())
    return tl::unexpected(io_error(done, name));
  auto seen = store::scan_write_ahead(got.ToStringView());
  if (!seen.is_damaged())
    return {};
  return fail(errc::store_corrupt,
              name + ", byte " + std::to_string(seen.cut_at) + ": a damaged record, and "
                  + std::to_string(seen.records_after) + " good ones behind it");
}

result<std::optional<log_position>> store_folder::closed_at() const {
  auto text = read(closed_file);
  if (!text)
    return std::nullopt;
  auto number = number_after(*text, "log ends at ");
  if (!number)
    return fail(errc::store_corrupt, path_ + "/CLOSED: it does not say where the log ends");
  return log_position{*number};
}

result<void> store_folder::mark_closed(log_position end) {
  return write(closed_file,
               "log ends at " + std::to_string(static_cast<std::uint64_t>(end)) + "\n");
}

result<void> store_folder::mark_open() {
  auto name = path_ + "/" + closed_file;
  if (!files_->FileExists(name, {}, nullptr).ok())
    return {};
  return said(files_->DeleteFile(name, {}, nullptr), name);
}

result<void> store_folder::take_ballast(std::uint64_t bytes) {
  auto name = path_ + "/" + ballast_file;
  std::uint64_t size = 0;
  if (files_->GetFileSize(name, {}, &size, nullptr).ok() && size == bytes)
    return {};
  std::unique_ptr<rocksdb::FSWritableFile> file;
  auto done = files_->NewWritableFile(name, {}, &file, nullptr);
  const std::string zeros(ballast_step, '\0');
  for (std::uint64_t written = 0; written < bytes && done.ok(); written += ballast_step)
    done = file->Append({zeros.data(), std::min<std::uint64_t>(ballast_step, bytes - written)}, {},
                        nullptr);
  if (done.ok())
    done = file->Sync({}, nullptr);
  if (done.ok())
    done = file->Close({}, nullptr);
  if (done.ok())
    return {};
  file.reset();
  drop_ballast();
  return tl::unexpected(io_error(done, name));
}

void store_folder::drop_ballast() {
  static_cast<void>(files_->DeleteFile(path_ + "/" + ballast_file, {}, nullptr));
}

std::optional<std::uint64_t> store_folder::free_bytes() const {
  std::uint64_t bytes = 0;
  if (!files_->GetFreeSpace(path_, {}, &bytes, nullptr).ok())
    return std::nullopt;
  return bytes;
}

std::optional<std::string> store_folder::read(const std::string& name) const {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  if (!files_->NewSequentialFile(path_ + "/" + name, {}, &file, nullptr).ok())
    return std::nullopt;
  std::string room(small_file_bytes_max, '\0');
  rocksdb::Slice got;
  if (!file->Read(room.size(), {}, &got, room.data(), nullptr).ok())
    return std::nullopt;
  return got.ToString();
}

result<void> store_folder::write(const std::string& name, std::string_view content) {
  auto target = path_ + "/" + name;
  auto aside = target + ".new";
  std::unique_ptr<rocksdb::FSWritableFile> file;
  auto done = files_->NewWritableFile(aside, {}, &file, nullptr);
  if (done.ok())
    done = file->Append({content.data(), content.size()}, {}, nullptr);
  if (done.ok())
    done = file->Sync({}, nullptr);
  if (done.ok())
    done = file->Close({}, nullptr);
  if (done.ok())
    done = files_->RenameFile(aside, target, {}, nullptr);
  std::unique_ptr<rocksdb::FSDirectory> folder;
  if (done.ok())
    done = files_->NewDirectory(path_, {}, &folder, nullptr);
  if (done.ok())
    done = folder->Fsync({}, nullptr);
  return said(done, target);
}

} // namespace gemel
