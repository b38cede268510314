#include "proxycore/kernel/nft_script.h"

#include <nftables/libnftables.h>

#include <memory>
#include <string_view>

namespace natlens::proxycore {

base::Status loadNftText(const std::string &commands, const std::string &subject) {
    const auto release = [](nft_ctx *context) { nft_ctx_free(context); };
    const std::unique_ptr<nft_ctx, decltype(release)> context(nft_ctx_new(NFT_CTX_DEFAULT), release);
    if (!context)
        return base::fail(base::ErrorCode::unsupported, "libnftables cannot open its netlink socket", "nft", subject);
    nft_ctx_buffer_output(context.get());
    nft_ctx_buffer_error(context.get());
    if (nft_run_cmd_from_buffer(context.get(), commands.c_str()) == 0) return {};
    const char *said = nft_ctx_get_error_buffer(context.get());
    const std::string_view text = said == nullptr ? std::string_view() : std::string_view(said);
    const auto line = text.substr(0, text.find('\n'));
    return base::fail(base::ErrorCode::io, line.empty() ? "the kernel refused the rules" : std::string(line), "nft",
                      subject);
}

} // namespace natlens::proxycore
