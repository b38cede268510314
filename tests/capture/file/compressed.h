// Bytes as gzip and zstd write them.
#pragma once

#include <QByteArray>
#include <zlib.h>
#include <zstd.h>

namespace natlens::test {

inline QByteArray gzip(const QByteArray &data) {
    z_stream stream{};
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
    QByteArray out(qsizetype(deflateBound(&stream, uLong(data.size()))), '\0');
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data()));
    stream.avail_in = uInt(data.size());
    stream.next_out = reinterpret_cast<Bytef *>(out.data());
    stream.avail_out = uInt(out.size());
    const bool good = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    out.resize(good ? qsizetype(stream.total_out) : 0);
    deflateEnd(&stream);
    return out;
}

inline QByteArray zstd(const QByteArray &data) {
    QByteArray out(qsizetype(ZSTD_compressBound(std::size_t(data.size()))), '\0');
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1); // as the program does
    const std::size_t size =
        ZSTD_compress2(context, out.data(), std::size_t(out.size()), data.data(), std::size_t(data.size()));
    ZSTD_freeCCtx(context);
    out.resize(ZSTD_isError(size) ? 0 : qsizetype(size));
    return out;
}

} // namespace natlens::test
