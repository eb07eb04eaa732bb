#include "fingerprint.hpp"

#include <cstdint>
#include <map>

#include <fmt/format.h>

#include "rule.hpp"

namespace pgeist::lint {

namespace {

/// FNV-1a: no secret depends on it, and it is the same on every machine.
std::uint64_t hash(std::string_view text, std::uint64_t seed) {
    std::uint64_t value = seed;
    for (const char c : text) {
        value ^= static_cast<unsigned char>(c);
        value *= 1099511628211ULL;
    }
    return value;
}

}  // namespace

void give_fingerprints(std::vector<finding>& findings) {
    std::map<std::string, int> seen;
    for (finding& each : findings) {
        // What a finding without a statement is about is its message (a rule's name in a comment).
        const std::string about = each.statement.empty() ? each.message : normalised(each.statement);
        const std::string text = each.file + '\n' + each.rule + '\n' + about;
        const int number = seen[text]++;
        const std::string marked = fmt::format("{}\n{}", text, number);
        each.fingerprint =
            fmt::format("{:016x}{:016x}", hash(marked, 14695981039346656037ULL), hash(marked, 1099511628211ULL));
    }
}

}  // namespace pgeist::lint
