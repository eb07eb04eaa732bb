#pragma once

#include <string>

#include "pgeist/lint/lint.hpp"

namespace pgeist::lint::test {

/// What lint finds in a file that is named by itself.
inline report checked(const std::string& text, settings options = {}, const std::string& name = "m.sql",
                      ddl::transaction_mode mode = ddl::transaction_mode::automatic) {
    source file;
    file.name = name;
    file.text = text;
    file.named = true;
    const std::vector<source> files{file};
    return check(files, read(files, mode), options);
}

/// `rule:level` of each finding that is not ignored, in order, with a space between.
inline std::string told(const report& found) {
    std::string text;
    for (const finding& each : found.findings) {
        if (!each.suppressed) {
            text += (text.empty() ? "" : " ") + each.rule + ":" + std::string(word_of(each.how_bad));
        }
    }
    return text;
}

inline bool has(const report& found, const std::string& rule, level how_bad) {
    for (const finding& each : found.findings) {
        if (each.rule == rule && each.how_bad == how_bad && !each.suppressed) {
            return true;
        }
    }
    return false;
}

}  // namespace pgeist::lint::test
