#include "fields.hpp"

#include <fmt/format.h>

namespace pgeist::lint {

boost::json::array strings(const std::vector<std::string>& texts) {
    boost::json::array list;
    for (const std::string& each : texts) {
        list.emplace_back(each);
    }
    return list;
}

boost::json::array locks_of(const probe::effect& does) {
    boost::json::array list;
    for (const probe::relation_lock& each : does.locks) {
        const char* const blocks = probe::blocks_reads(each.mode)    ? "reads and writes"
                                   : probe::blocks_writes(each.mode) ? "writes"
                                                                     : "nobody";
        boost::json::object lock;
        lock["relation"] = each.relation;
        lock["mode"] = probe::words_of(each.mode);
        lock["blocks"] = blocks;
        list.push_back(std::move(lock));
    }
    return list;
}

std::string counted(std::size_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string summary(const report& found, const settings& options) {
    const std::size_t suppressed = static_cast<std::size_t>(std::count_if(
        found.findings.begin(), found.findings.end(), [](const finding& each) { return each.suppressed; }));
    const std::string minor = options.server.minor < 0 ? "" : fmt::format(".{}", options.server.minor);
    return fmt::format("{} in {}: {}, {}, {}{}; {}; PostgreSQL {}{}", counted(found.statements, "statement"),
                       counted(found.files, "file"), counted(found.count(level::error), "error"),
                       counted(found.count(level::warning), "warning"), counted(found.count(level::info), "note"),
                       suppressed == 0 ? "" : fmt::format(", {} ignored", suppressed),
                       found.gaps.empty() ? "all analysed" : fmt::format("{} not analysed", found.gaps.size()),
                       options.server.major, minor) +
           (found.asked.empty() ? "" : fmt::format("; asked {}", one_line(found.asked)));
}

std::string lock_list(const probe::effect& does) {
    std::string text;
    for (const probe::relation_lock& each : does.locks) {
        text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", probe::words_of(each.mode),
                            each.relation == "*" ? "every table concerned" : each.relation);
    }
    return text;
}

std::string one_line(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        const bool c1 = byte == 0xC2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;
        out += byte < 0x20 || byte == 0x7F || c1 ? ' ' : text[at];
        at += c1 ? 1 : 0;  // terminals act on U+0080 to U+009F as well
    }
    return out;
}

std::string shortened(const std::string& text, std::size_t most) {
    std::size_t characters = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool begins = (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80;
        characters += begins ? 1 : 0;
        if (begins && characters > most) {
            return text.substr(0, at) + "…";
        }
    }
    return text;
}

}  // namespace pgeist::lint
