#include "pgeist/transfer/copy/transfer_sql.hpp"

#include <fmt/format.h>

namespace pgeist::copy {

std::string transfer_sql(const transfer::spec& transfer, const std::string& from) {
    std::vector<std::string> targets;
    std::vector<std::string> values;
    for (const transfer::column& column : transfer.columns) {
        if (column.expression) {
            targets.push_back(quote_identifier(column.name));
            values.push_back(*column.expression);
        }
    }
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}", transfer.write.name.sql(),
                       join(targets, ", "), join(values, ", "), from);
}

}  // namespace pgeist::copy
