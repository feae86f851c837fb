"""The envelope of every answer, and the refusals with their codes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

_SAYS = {
    0: "مشکلی در سامانه رخ داده است، لطفا با پشتیبانی در تماس باشید",
    1: "موفق",
    10: "کلید وب سرویس نامعتبر است",
    20: "تعداد درخواست بیشتر از حد مجاز است",
    101: "شماره خط نامعتبر میباشد",
    102: "اعتبار کافی نمیباشد",
    103: "درخواست شما دارای متن (های) خالی است",
    104: "درخواست شما دارای موبایل (های) نادرست است",
    105: "تعداد موبایل ها بیشتر از حد مجاز (100 عدد) میباشد",
    106: "تعداد متن ها بیشتر از حد مجاز (100 عدد) میباشد",
    107: "لیست موبایل ها خالی میباشد",
    108: "لیست متن ها خالی میباشد",
    109: "زمان ارسال نامعتبر میباشد",
    110: "تعداد شماره موبایل ها و تعداد متن ها برابر نیستند",
    111: "با این شناسه ارسالی ثبت نشده است",
    112: "رکوردی برای حذف یافت نشد",
    113: "قالب یافت نشد",
    114: "طول رشته مقدار پارامتر، بیش از حد مجاز (25 کاراکتر) میباشد",
    115: "شماره موبایل(ها) در لیست سیاه سامانه میباشند",
    116: "نام پارامتر نمیتواند خالی باشد",
}
_HTTP = {0: 500, 10: 401, 20: 429}


class Refusal(Exception):
    """A request that the panel refuses with one of its codes."""

    def __init__(self, status: int) -> None:
        super().__init__(_SAYS[status])
        self.status = status


def answer(data: Any) -> JSONResponse:
    """Wrap `data` as a success."""
    return _envelope(1, 200, data)


async def refused(_request: Request, error: Exception) -> JSONResponse:
    """Render a `Refusal`: HTTP says the class, the body's status says why."""
    status = error.status if isinstance(error, Refusal) else 0
    return _envelope(status, _HTTP.get(status, 400), None)


def _envelope(status: int, http: int, data: Any) -> JSONResponse:
    return JSONResponse({"status": status, "message": _SAYS[status], "data": data}, status_code=http)
