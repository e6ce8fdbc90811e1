# The rules of check-source, which says what the variables are.
#
# rule include-line: a folder includes only itself and those before it in the line
# rule private-header: only a folder's sources and unit tests include its private headers
# rule adapter: clock, random source, thread, socket and file only in runtime/adapters/
# rule caf-quarantine: CAF stays out of the lower folders and of the installed runtime headers
# rule no-assert: GEMEL_CHECK instead of assert, which is off in release builds
# rule pragma-once: each header has #pragma once
# rule line-length: at most 100 columns
# rule todo-now: no TODO of kind "now" is committed

BEGIN {
  line_count = split(line, names, " ")
  for (i = 1; i <= line_count; ++i)
    rank[names[i]] = i
  count = split(leaves, names, " ")
  for (i = 1; i <= count; ++i)
    rank[names[i]] = line_count + i
  mark(adapter_users, may_adapters)
  mark(caf_folders, may_caf)
  mark(caf_sealed, sealed)
  mark(caf_allowed, caf_exempt)
  gsub(/ /, "|", private)

  # A call of a function of the C library: neither a member nor a declaration.
  call = "(^|[=(!;{,&|?:<]|return)[ ]*(::|std::)?"
  what["clock"] = "_clock::now|clock_gettime|gettimeofday|make_timestamp[(]|" \
    call "time[(](nullptr|NULL|0|&)|std::time[(]"
  what["random source"] = "random_device|random_generator|getrandom[(]|getentropy[(]|arc4random|" \
    call "s?rand[(]"
  what["thread"] = "std::j?thread|std::async|pthread_create|sleep_for|sleep_until|" \
    call "u?sleep[(]|nanosleep[(]|caf::detached"
  system_call = "(^|[^a-z_0-9>])::"
  what["socket"] = call "socket[(]|" system_call "(connect|accept|bind|listen|send|recv)[(]"
  what["file"] = "f(re)?open[(]|" call "(open|openat|mmap|popen)[(][^)]|std::filesystem|" \
    "std::(basic_)?[io]?fstream|parse_file[(]|std::tmpfile|" system_call "(rename|unlink)[(]"
  split("ctime clock time.h clock sys/time.h clock thread thread pthread.h thread " \
    "sys/socket.h socket netdb.h socket poll.h socket sys/epoll.h socket fstream file " \
    "filesystem file fcntl.h file unistd.h file sys/mman.h file sys/stat.h file sys/random.h " \
    "random", header_list, " ")
  for (i = 1; i in header_list; i += 2)
    what_header[header_list[i]] = header_list[i + 1]
}

function mark(words, set, parts, count, i) {
  count = split(words, parts, " ")
  for (i = 1; i <= count; ++i)
    set[parts[i]] = 1
}

function report(file, number, rule, text) {
  printf "%s:%d: %s: %s\n", file, number, rule, text
  ++violations
}

function folder_of(path) {
  return substr(path, 1, index(path, "/") - 1)
}

function is_private(path) {
  return path ~ "^[a-z]+/(" private ")/"
}

# The code of a line: without comments and without what is in quotes.
function code_of(text, before) {
  gsub(/\\./, "", text)
  gsub(/"[^"]*"/, "\"\"", text)
  sub(/\/\/.*/, "", text)
  if (in_comment) {
    if (!index(text, "*/"))
      return ""
    sub(/.*\*\//, "", text)
    in_comment = 0
  }
  gsub(/\/\*[^*]*\*\//, "", text)
  if (index(text, "/*")) {
    before = substr(text, 1, index(text, "/*") - 1)
    in_comment = 1
    return before
  }
  return text
}

function check_include(target, folder, target_folder) {
  target_folder = folder_of(target)
  folder = folder_of(FILENAME)
  if (target_folder in rank) {
    includes[FILENAME] = includes[FILENAME] " " target " " FNR
    if (rank[target_folder] > rank[folder])
      report(FILENAME, FNR, "include-line", folder "/ may not include " target)
    if (is_private(target) && target_folder != folder \
        && !(folder in may_adapters && index(target, adapters) == 1) \
        && index(FILENAME, "tests/unit/" target_folder "/") != 1)
      report(FILENAME, FNR, "private-header", target " is private to " target_folder "/")
    else if (is_private(target) && is_header && !is_private(FILENAME) && rank[folder] <= line_count)
      report(FILENAME, FNR, "private-header", target " is not installed, this header is")
  } else if (target ~ /^caf\// && rank[folder] <= line_count) {
    reaches_caf[FILENAME] = 1
    if (!(folder in may_caf) && !(FILENAME in caf_exempt))
      report(FILENAME, FNR, "caf-quarantine", folder "/ may not include " target)
    else if (is_sealed(FILENAME))
      report(FILENAME, FNR, "caf-quarantine", "an installed header may not include " target)
  }
  if (is_pure && target in what_header)
    report(FILENAME, FNR, "adapter", "<" target "> (" what_header[target] ") only in " adapters)
  if (target == "cassert" || target == "assert.h")
    report(FILENAME, FNR, "no-assert", "<" target ">: use GEMEL_CHECK")
}

function is_sealed(path) {
  return path ~ /\.hpp$/ && folder_of(path) in sealed && !is_private(path) && !(path in caf_exempt)
}

FNR == 1 {
  ++files
  in_comment = 0
  folder = folder_of(FILENAME)
  is_code = FILENAME ~ /\.[hc]pp$/
  is_header = FILENAME ~ /\.hpp$/
  is_pure = is_code && folder in rank && rank[folder] <= line_count && folder != "gateway" \
            && index(FILENAME, adapters) != 1
  if (is_header)
    headers[++header_count] = FILENAME
}

{
  columns = $0
  gsub(/[\200-\277]/, "", columns) # one UTF-8 character is one column
  if (length(columns) > 100)
    report(FILENAME, FNR, "line-length", length(columns) " columns, at most 100")
  if (/TODO\(now\)/ && FILENAME !~ /^tests\/tidy\/check-/)
    report(FILENAME, FNR, "todo-now", "do it, or give it another kind")
}

is_code {
  if (match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*/)) {
    target = substr($0, RSTART, RLENGTH)
    sub(/.*["<]/, "", target)
    check_include(target)
    next
  }
  if (/^[ \t]*#[ \t]*pragma once/)
    once[FILENAME] = 1
  text = code_of($0)
  if (text ~ /(^|[^a-z_])assert[(]/ )
    report(FILENAME, FNR, "no-assert", "use GEMEL_CHECK")
  gsub(/[a-z_0-9]+::open[(]/, "(", text) # a member function of ours
  if (is_pure)
    for (kind in what)
      if (text ~ what[kind])
        report(FILENAME, FNR, "adapter", kind " only in " adapters)
}

# Whether a file of ours reaches CAF by way of our own headers.
function reaches(path, parts, count, i) {
  if (path in reaches_caf)
    return reaches_caf[path]
  reaches_caf[path] = 0 # ends the walk in a circle
  count = split(includes[path], parts, " ")
  for (i = 1; i <= count; i += 2)
    if (reaches(parts[i])) {
      reaches_caf[path] = 1
      return 1
    }
  return 0
}

END {
  for (h = 1; h <= header_count; ++h) {
    path = headers[h]
    if (!(path in once))
      report(path, 1, "pragma-once", "missing")
    if (!is_sealed(path))
      continue
    count = split(includes[path], parts, " ")
    for (i = 1; i <= count; i += 2)
      if (reaches(parts[i]))
        report(path, parts[i + 1], "caf-quarantine", "an installed header reaches CAF by " parts[i])
  }
  printf "check-source: %d files, %d violations\n", files, violations
  exit violations > 0
}
