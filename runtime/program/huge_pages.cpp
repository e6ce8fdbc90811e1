#include <mimalloc.h>

namespace {

// Asks for memory in pages of 2 MB, where Linux gives them for the asking: millions of twins then
// need few entries of the processor's address cache. MIMALLOC_LARGE_OS_PAGES=0 in the environment
// goes before this.
[[maybe_unused]] const bool asked = [] {
  mi_option_set_enabled_default(mi_option_large_os_pages, true);
  return true;
}();

} // namespace
