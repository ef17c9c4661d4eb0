# The review desk: no PyTorch, no root. Built from a checkout: docker build -t buffycoat .
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv /opt/buffycoat && /opt/buffycoat/bin/pip install --no-cache-dir ".[postgres]"

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --home-dir /home/buffycoat buffycoat \
    && install -d -o buffycoat -g buffycoat -m 0700 /data
COPY --from=build /opt/buffycoat /opt/buffycoat
ENV PATH=/opt/buffycoat/bin:$PATH BUFFYCOAT_REVIEW_FOLDER=/data OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
USER buffycoat
VOLUME /data
EXPOSE 8350
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8350/health', timeout=4)"]
# Reached from outside the container, so people sign in: make the first account as docs/review.md says.
ENTRYPOINT ["buffycoat"]
CMD ["review", "--host", "0.0.0.0", "--accounts", "--no-open"]
