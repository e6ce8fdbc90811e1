#include "runtime/adapters/machine.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <thread>

namespace gemel {

std::uint64_t system_entropy() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

unsigned core_count() noexcept {
  return std::max(1u, std::thread::hardware_concurrency());
}

std::uint64_t resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};
  std::uint64_t pages_virtual = 0;
  std::uint64_t pages_resident = 0;
  if (!(statm >> pages_virtual >> pages_resident))
    return 0;
  return pages_resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

namespace {

class socket_handle {
public:
  explicit socket_handle(int descriptor) noexcept : descriptor_{descriptor} {}
  ~socket_handle() {
    if (descriptor_ >= 0)
      close(descriptor_);
  }
  socket_handle(const socket_handle&) = delete;
  socket_handle& operator=(const socket_handle&) = delete;

  int get() const noexcept { return descriptor_; }

private:
  int descriptor_;
};

result<void> probe_address(const addrinfo& address, const std::string& place,
                           std::chrono::milliseconds timeout) {
  socket_handle s{socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         address.ai_protocol)};
  if (s.get() < 0)
    return fail(errc::unreachable, place + ": " + std::strerror(errno));
  if (connect(s.get(), address.ai_addr, address.ai_addrlen) == 0)
    return {};
  if (errno != EINPROGRESS)
    return fail(errc::unreachable, place + ": " + std::strerror(errno));
  pollfd waiting{s.get(), POLLOUT, 0};
  if (poll(&waiting, 1, static_cast<int>(timeout.count())) == 0)
    return fail(errc::timed_out,
                place + " did not answer within " + std::to_string(timeout.count()) + " ms");
  int why = 0;
  socklen_t size = sizeof why;
  if (getsockopt(s.get(), SOL_SOCKET, SO_ERROR, &why, &size) != 0)
    why = errno;
  if (why != 0)
    return fail(errc::unreachable, place + ": " + std::strerror(why));
  return {};
}

} // namespace

result<void> probe_tcp(const std::string& host, std::uint16_t port,
                       std::chrono::milliseconds timeout) {
  auto place = host + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
      failed != 0)
    return fail(errc::unreachable, place + ": " + gai_strerror(failed));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned{found, freeaddrinfo};
  result<void> last = fail(errc::unreachable, place);
  for (const auto* address = found; address != nullptr; address = address->ai_next)
    if (last = probe_address(*address, place, timeout); last)
      break;
  return last;
}

std::string boot_id() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(file, id);
  return id;
}

void pause(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
}

} // namespace gemel
