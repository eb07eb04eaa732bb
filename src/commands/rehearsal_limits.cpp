#include <algorithm>

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/trim.hpp>
#include <fmt/format.h>

#include "pgeist/commands/rehearsal.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::commands {

namespace {

using figure = rehearsal_limit::figure;

constexpr std::pair<std::string_view, figure> figures[] = {
    {"lock", figure::lock}, {"time", figure::time}, {"wal", figure::wal}, {"space", figure::space}};

bool is_time(figure of) { return of == figure::lock || of == figure::time; }

double value_of(const report::rehearsal& found, figure of) {
    switch (of) {
        case figure::lock:
            return found.lock_ms.value_or(found.predicted_lock_ms);
        case figure::time:
            return static_cast<double>(found.scaled ? found.scaled->elapsed_ms : found.elapsed_ms);
        case figure::wal:
            return static_cast<double>(found.scaled ? found.scaled->wal_bytes : found.wal_bytes);
        case figure::space:
            break;
    }
    return static_cast<double>(found.scaled ? found.scaled->space_bytes : found.space_bytes);
}

std::string shown(figure of, double value) {
    if (of == figure::lock) {
        return fmt::format("{:.1f} ms", value);
    }
    const auto whole = static_cast<std::int64_t>(value);
    return is_time(of) ? format_duration(std::chrono::milliseconds(whole)) : format_size(whole);
}

}  // namespace

rehearsal_limit parse_rehearsal_limit(std::string_view text) {
    rehearsal_limit limit;
    const auto blank = boost::algorithm::is_any_of(" \t");
    limit.text = boost::algorithm::trim_copy_if(std::string(text), blank);
    const auto sign = limit.text.find('>');
    const std::string name = boost::algorithm::trim_copy_if(limit.text.substr(0, sign), blank);
    const auto found =
        std::find_if(std::begin(figures), std::end(figures), [&](const auto& each) { return each.first == name; });
    if (sign == std::string::npos || found == std::end(figures)) {
        throw usage_error(fmt::format("\"{}\" is no condition", text),
                          "write lock, time, wal or space, > and a value with its unit: \"lock > 50ms\"");
    }
    limit.of = found->second;
    limit.or_equal = sign + 1 < limit.text.size() && limit.text[sign + 1] == '=';
    const std::string value = boost::algorithm::trim_copy_if(limit.text.substr(sign + (limit.or_equal ? 2 : 1)), blank);
    limit.value =
        is_time(limit.of) ? static_cast<double>(parse_duration(value).count()) : static_cast<double>(parse_size(value));
    return limit;
}

std::vector<std::string> passed_limits(const report::rehearsal& found, const std::vector<rehearsal_limit>& limits) {
    std::vector<std::string> passed;
    for (const rehearsal_limit& each : limits) {
        const double value = value_of(found, each.of);
        if (value > each.value || (each.or_equal && value >= each.value)) {
            const auto name = std::find_if(std::begin(figures), std::end(figures),
                                           [&](const auto& known) { return known.second == each.of; });
            passed.push_back(fmt::format("{} {} (--fail-if \"{}\")", name->first, shown(each.of, value), each.text));
        }
    }
    return passed;
}

void read_scale(std::string_view plan, run::settings& into) {
    const char* hint = "give the one line that `pgeist plan --output json` prints for this change";
    boost::json::error_code problem;
    const boost::json::value read = json_from(plan, problem);
    const boost::json::object* object = problem ? nullptr : read.if_object();
    const auto number = [&](const char* name) {
        const boost::json::value* found = object == nullptr ? nullptr : object->if_contains(name);
        boost::json::error_code not_one;
        const std::int64_t value = found == nullptr ? 0 : found->to_number<std::int64_t>(not_one);
        return not_one ? 0 : value;
    };
    into.scale_rows = number("estimated_rows");
    into.scale_table_bytes = number("table_bytes");
    into.scale_index_bytes = number("index_bytes");
    if (into.scale_rows <= 0 || into.scale_table_bytes <= 0) {
        throw usage_error("this is no plan of a copy, or one of an empty table", hint);
    }
}

}  // namespace pgeist::commands
